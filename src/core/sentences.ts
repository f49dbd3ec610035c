/**
 * The sentences that the gateway makes about alarms: the only catalogue, each in every language. `{place}` is a value of the sentence
 * (sentence.ts). A language may use the places in another order; it uses all of them.
 */
import type { Language } from './languages.ts';

type Words = Readonly<Record<Language, string>>;

export const SENTENCES = {
  // What is compared.
  above: { en: 'above {limit}', bn: '{limit}-এর বেশি' },
  below: { en: 'below {limit}', bn: '{limit}-এর কম' },
  outside: { en: 'outside {min} to {max}', bn: '{min} থেকে {max}-এর বাইরে' },
  'above-or-equal': { en: '{limit} or more', bn: '{limit} বা তার বেশি' },
  'below-or-equal': { en: '{limit} or less', bn: '{limit} বা তার কম' },
  'outside-or-equal': { en: '{min} or less, or {max} or more', bn: '{min} বা তার কম, অথবা {max} বা তার বেশি' },
  between: { en: 'between {min} and {max}', bn: '{min} থেকে {max}-এর মধ্যে' },
  not: { en: 'not {value}', bn: '{value} নয়' },
  bit: { en: 'bit {bits} {state}', bn: 'বিট {bits} {state}' },
  bits: { en: 'bits {bits} {state}', bn: 'বিট {bits} {state}' },
  set: { en: 'set', bn: 'চালু' },
  clear: { en: 'clear', bn: 'বন্ধ' },
  and: { en: '{a} and {b}', bn: '{a} এবং {b}' },
  or: { en: '{a} or {b}', bn: '{a} অথবা {b}' },
  same: { en: 'the same for {time}', bn: '{time} ধরে একই' },
  'same-within': { en: 'the same for {time}, within {within}', bn: '{time} ধরে একই, তফাত সর্বোচ্চ {within}' },
  'time-beyond': { en: '{limit} for {time} in all', bn: 'মোট {time} {limit}' },
  'time-beyond-within': { en: '{limit} for {time} in all within {window}', bn: '{window} সময়ের মধ্যে মোট {time} {limit}' },
  apart: { en: 'more than {limit} from {point}', bn: '{point} থেকে পার্থক্য {limit}-এর বেশি' },
  'apart-from': { en: 'more than {limit} from {point} ({value})', bn: '{point} ({value}) থেকে পার্থক্য {limit}-এর বেশি' },
  'by-schedule': { en: 'by the schedule', bn: 'সময়সূচি অনুযায়ী' },
  'strictest-of-schedule': {
    en: 'the strictest of the schedule while the time is not known',
    bn: 'সময় জানা নেই, তাই সময়সূচির কঠোরতম সীমা',
  },
  'setpoint-unknown': { en: 'the setpoint is not known ({from})', bn: 'সীমা জানা নেই ({from})' },
  // What is measured.
  average: { en: 'the average of {time}', bn: 'গড় ({time})' },
  minimum: { en: 'the minimum of {time}', bn: 'সর্বনিম্ন ({time})' },
  maximum: { en: 'the maximum of {time}', bn: 'সর্বোচ্চ ({time})' },
  percentile: { en: 'the percentile {p} of {time}', bn: 'পার্সেন্টাইল {p} ({time})' },
  rate: { en: 'the change per {per}, over {time},', bn: 'প্রতি {per} সময়ে পরিবর্তন ({time} ধরে)' },
  growth: { en: 'the growth in {time}', bn: 'বৃদ্ধি ({time})' },
  'total-hour': { en: 'the total of this hour', bn: 'এই ঘণ্টার মোট' },
  'total-day': { en: 'the total of this day', bn: 'এই দিনের মোট' },
  'total-week': { en: 'the total of this week', bn: 'এই সপ্তাহের মোট' },
  'total-month': { en: 'the total of this month', bn: 'এই মাসের মোট' },
  'of-unknown-time': { en: '{what} ({part} of it of an unknown time)', bn: '{what} (এর মধ্যে {part} কখনকার তা জানা নেই)' },
  'average-about': { en: 'the average of about {time}', bn: 'গড় (প্রায় {time})' },
  // What points say.
  is: { en: '{point} is {value}', bn: '{point} এখন {value}' },
  was: { en: '{point} was last {value}', bn: '{point} সর্বশেষ {value} ছিল' },
  measured: { en: '{point}: {what} is {value}', bn: '{point}: {what} এখন {value}' },
  'no-value': { en: '{point} has no value', bn: '{point} কোনো মান দেয়নি' },
  'no-good-value': { en: '{point} has no good value', bn: '{point} কোনো ভালো মান দেয় না' },
  'bad-is-normal': {
    en: '{point} has no good value, which counts as normal',
    bn: '{point} কোনো ভালো মান দেয় না, নিয়মে তা স্বাভাবিক',
  },
  silent: { en: '{point} had no value for {time}', bn: '{point} {time} ধরে কোনো মান দেয়নি' },
  back: { en: 'back to normal', bn: 'আবার স্বাভাবিক' },
  // What is unusual.
  range: { en: '{from} to {to}', bn: '{from} থেকে {to}' },
  unusual: { en: 'unusual ({method})', bn: 'অস্বাভাবিক ({method})' },
  'unusual-day': { en: 'in the last day it was {range} ({method})', bn: 'গত ১ দিনে ছিল {range} ({method})' },
  'unusual-days': { en: 'in the last {days} days it was {range} ({method})', bn: 'গত {days} দিনে ছিল {range} ({method})' },
  'unusual-hour': { en: 'at this hour it is usually {range} ({method})', bn: 'এই সময়ে সাধারণত {range} থাকে ({method})' },
  'unusual-average': { en: 'the average is usually {range} ({method})', bn: 'গড় সাধারণত {range} থাকে ({method})' },
  'usual-now': {
    en: 'what is unusual lasted for {time} and is usual from now on',
    bn: 'অস্বাভাবিক অবস্থা {time} ছিল, এখন থেকে তা স্বাভাবিক ধরা হবে',
  },
  // Parts put together.
  held: { en: '{what} for {time}', bn: '{what}, {time} ধরে' },
  comma: { en: '{a}, {b}', bn: '{a}, {b}' },
  semicolon: { en: '{a}; {b}', bn: '{a}; {b}' },
  colon: { en: '{a}: {b}', bn: '{a}: {b}' },
  brackets: { en: '{a} ({b})', bn: '{a} ({b})' },
  more: { en: '{a} and {n} more', bn: '{a} এবং আরও {n}টি' },
  // What happened to the alarm.
  'rule-changed': {
    en: 'the rule {rule} on {point} was changed and starts again',
    bn: '{point}-এর নিয়ম {rule} বদলানো হয়েছে, আবার শুরু হচ্ছে',
  },
  'rule-removed': { en: 'the rule {rule} on {point} was removed', bn: '{point}-এর নিয়ম {rule} মুছে ফেলা হয়েছে' },
  acknowledged: { en: '{rule}: acknowledged by {by}', bn: '{rule}: স্বীকার করেছেন {by}' },
  reset: { en: '{rule}: reset by {by}', bn: '{rule}: রিসেট করেছেন {by}' },
  shelved: { en: '{rule}: shelved for {time} by {by}', bn: '{rule}: {time} স্থগিত করেছেন {by}' },
  'shelved-because': { en: '{rule}: shelved for {time} by {by} ({why})', bn: '{rule}: {time} স্থগিত করেছেন {by} ({why})' },
  unshelved: { en: '{rule}: unshelved by {by}; {now}', bn: '{rule}: স্থগিত শেষ করেছেন {by}; {now}' },
  'shelving-over': { en: '{rule}: the shelving is over; {now}', bn: '{rule}: স্থগিতের সময় শেষ; {now}' },
  out: { en: '{rule}: taken out of service by {by} ({why})', bn: '{rule}: ব্যবহার বন্ধ করেছেন {by} ({why})' },
  'out-for': {
    en: '{rule}: taken out of service for {time} by {by} ({why})',
    bn: '{rule}: {time} ব্যবহার বন্ধ করেছেন {by} ({why})',
  },
  'in-service': { en: '{rule}: put in service by {by}; {now}', bn: '{rule}: আবার চালু করেছেন {by}; {now}' },
  'out-over': { en: '{rule}: the time out of service is over; {now}', bn: '{rule}: ব্যবহার বন্ধের সময় শেষ; {now}' },
  suppressed: { en: '{rule}: suppressed by {by}; {now}', bn: '{rule}: {by} নিয়মের কারণে চাপা; {now}' },
  unsuppressed: { en: '{rule}: no longer suppressed; {now}', bn: '{rule}: আর চাপা নেই; {now}' },
  'ran-out': {
    en: '{what}; the delay ran out while the gateway was off',
    bn: '{what}; গেটওয়ে বন্ধ থাকতে অপেক্ষার সময় শেষ হয়েছে',
  },
  'ran-out-unread': {
    en: '{what}; the delay ran out while the gateway was off, and no reading has come since the start',
    bn: '{what}; গেটওয়ে বন্ধ থাকতে অপেক্ষার সময় শেষ হয়েছে, চালুর পর কোনো রিডিং আসেনি',
  },
  'action-failed': { en: '{action} failed: {why}', bn: '{action} ব্যর্থ হয়েছে: {why}' },
  'action-failing': { en: '{action} fails so far: {why}', bn: '{action} এখনও হচ্ছে না: {why}' },
  // An alarm whose words may not be shown.
  withheld: { en: '{rule}: {state}', bn: '{rule}: {state}' },
  'state-normal': { en: 'normal', bn: 'স্বাভাবিক' },
  'state-active-unacknowledged': { en: 'active-unacknowledged', bn: 'চালু, কেউ স্বীকার করেনি' },
  'state-active-acknowledged': { en: 'active-acknowledged', bn: 'চালু, স্বীকার করা হয়েছে' },
  'state-returned-unacknowledged': { en: 'returned-unacknowledged', bn: 'শেষ, কেউ স্বীকার করেনি' },
  'state-latched': { en: 'latched', bn: 'শেষ, রিসেটের অপেক্ষায়' },
  'state-shelved': { en: 'shelved', bn: 'স্থগিত' },
  'state-suppressed': { en: 'suppressed', bn: 'নকশা অনুযায়ী চাপা' },
  'state-out-of-service': { en: 'out-of-service', bn: 'ব্যবহারে নেই' },
} as const satisfies Readonly<Record<string, Words>>;

export type SentenceKey = keyof typeof SENTENCES;
