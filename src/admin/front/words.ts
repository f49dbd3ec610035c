/** Every text of the front's own pages. `{n}` and the like are filled in. A text that lacks a language does not compile. */
export const LANGUAGES = ['en', 'bn'] as const;
export type Language = (typeof LANGUAGES)[number];
export const LANGUAGE_NAMES: Readonly<Record<Language, string>> = { en: 'English', bn: 'বাংলা' };

const en = {
  'title.editor': 'Flow editor',
  'title.http-in': 'Pages of flows',
  'login.title': 'Log in',
  'login.editor': 'Log in to edit the flows of {gateway}.',
  'login.http-in': 'Log in to see the pages that flows of {gateway} show.',
  'login.name': 'Name',
  'login.password': 'Password',
  'login.submit': 'Log in',
  'login.wrong': 'Name or password is wrong.',
  'login.ticket': 'This link was used already, or it is older than 30 seconds. Log in with name and password.',
  'login.throttled': 'Too many wrong tries. Wait {seconds} s and try again.',
  'login.role': 'This account may not use flows. It needs the role flow editor or a higher one.',
  'login.failed': 'The log-in did not work: {why}',
  'login.foreign': 'Open this address in the browser itself and log in there.',
  'unclaimed.text': 'This gateway has no administrator yet. Claim it on its status page first.',
  'session.title': 'You are logged in',
  'session.text': 'You are logged in as {name}.',
  'session.editor': 'Open the flow editor',
  'session.http-in': 'Open the pages of flows',
  'session.logOut': 'Log out',
  'enter.text': 'You are logged in. The editor opens.',
  'down.title': 'Node-RED does not run',
  'down.text': 'Its state is: {state}. Reload this page in a minute.',
  'down.why': 'The reason: {why}',
  'language.label': 'Language',
} as const;
export type WordKey = keyof typeof en;

const bn: Readonly<Record<WordKey, string>> = {
  'title.editor': 'ফ্লো সম্পাদক',
  'title.http-in': 'ফ্লোর পাতা',
  'login.title': 'লগ ইন',
  'login.editor': '{gateway}-এর ফ্লো সম্পাদনা করতে লগ ইন করুন।',
  'login.http-in': '{gateway}-এর ফ্লো যে পাতাগুলো দেখায় তা দেখতে লগ ইন করুন।',
  'login.name': 'নাম',
  'login.password': 'পাসওয়ার্ড',
  'login.submit': 'লগ ইন করুন',
  'login.wrong': 'নাম বা পাসওয়ার্ড ভুল।',
  'login.ticket': 'এই লিংক আগেই ব্যবহৃত হয়েছে, অথবা ৩০ সেকেন্ডের বেশি পুরোনো। নাম ও পাসওয়ার্ড দিয়ে লগ ইন করুন।',
  'login.throttled': 'অনেকবার ভুল হয়েছে। {seconds} সেকেন্ড পরে আবার চেষ্টা করুন।',
  'login.role': 'এই অ্যাকাউন্ট ফ্লো ব্যবহার করতে পারে না। ফ্লো সম্পাদক বা তার ওপরের ভূমিকা লাগবে।',
  'login.failed': 'লগ ইন হয়নি: {why}',
  'login.foreign': 'এই ঠিকানা সরাসরি ব্রাউজারে খুলুন এবং সেখানে লগ ইন করুন।',
  'unclaimed.text': 'এই গেটওয়ের এখনও কোনো প্রশাসক নেই। আগে স্ট্যাটাস পাতায় এটি দাবি করুন।',
  'session.title': 'আপনি লগ ইন করেছেন',
  'session.text': 'আপনি {name} নামে লগ ইন করেছেন।',
  'session.editor': 'ফ্লো সম্পাদক খুলুন',
  'session.http-in': 'ফ্লোর পাতা খুলুন',
  'session.logOut': 'লগ আউট',
  'enter.text': 'আপনি লগ ইন করেছেন। সম্পাদক খুলছে।',
  'down.title': 'Node-RED চলছে না',
  'down.text': 'এর অবস্থা: {state}। এক মিনিট পরে পাতাটি আবার খুলুন।',
  'down.why': 'কারণ: {why}',
  'language.label': 'ভাষা',
};

const TEXTS: Readonly<Record<Language, Readonly<Record<WordKey, string>>>> = { en, bn };

export function words(language: Language, key: WordKey, facts: Readonly<Record<string, string | number>> = {}): string {
  return TEXTS[language][key].replace(/\{(\w+)\}/g, (whole, name: string) => String(facts[name] ?? whole));
}

/** The first language of the browser that there is; `asked` comes from a link of the page. */
export function languageOf(accepts: string | undefined, asked?: string): Language {
  const known = LANGUAGES.find((one) => one === asked);
  if (known !== undefined) return known;
  const listed = (accepts ?? '')
    .slice(0, 200)
    .split(',')
    .map((one) => one.trim().slice(0, 2).toLowerCase());
  return LANGUAGES.find((one) => one === listed.find((two) => LANGUAGES.some((l) => l === two))) ?? 'en';
}
