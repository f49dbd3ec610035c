/**
 * One description of each node: its properties and their defaults, the edit dialog, the help and the page of the reference, in each
 * language. scripts/build-palette.ts and scripts/generate-docs.ts make all of these of it.
 */
export const LANGUAGES = ['en', 'bn'] as const;
export type Language = (typeof LANGUAGES)[number];
export type Words = Readonly<Record<Language, string>>;

export type Control =
  /** A list of patterns, each with suggestions. */
  | { readonly kind: 'list'; readonly of: 'points' | 'rules' }
  /** Typed input: the text in `key`, the type in `keyType`, and for `ago` the unit in `keyUnit`. */
  | { readonly kind: 'typed'; readonly types: readonly string[]; readonly type: string; readonly unit?: string }
  | { readonly kind: 'select'; readonly options: Readonly<Record<string, Words>> }
  /** Some of these, or none for all. */
  | { readonly kind: 'checks'; readonly options: Readonly<Record<string, Words>> }
  /** A number in `key` and its unit in `keyUnit`. */
  | { readonly kind: 'time'; readonly unit: string; readonly empty: Words }
  | { readonly kind: 'box' }
  | { readonly kind: 'text'; readonly empty?: Words }
  /** A credential; it is in no flow file. */
  | { readonly kind: 'secret' };

export interface Property {
  readonly key: string;
  readonly value: string | boolean | readonly string[];
  readonly control: Control;
  readonly label: Words;
  readonly help: Words;
  /** The dialog shows it only then. */
  readonly when?: { readonly key: string; readonly is: readonly string[] };
  readonly icon: string;
}

/** A property of a message. */
export interface Field {
  readonly key: string;
  readonly type: string;
  readonly help: Words;
  readonly optional?: boolean;
}

export interface Sheet {
  /** Name of its files. */
  readonly file: string;
  readonly type: string;
  readonly config?: boolean;
  readonly icon: string;
  readonly inputs: 0 | 1;
  readonly outputs: 0 | 1;
  readonly label: Words;
  readonly summary: Words;
  readonly properties: readonly Property[];
  readonly takes: readonly Field[];
  readonly sends: readonly Field[];
  readonly details: readonly Words[];
  /** What the label on the canvas says without a name. */
  readonly shows?: string;
}

export const UNITS: Readonly<Record<string, Words>> = {
  ms: { en: 'milliseconds', bn: 'মিলিসেকেন্ড' },
  s: { en: 'seconds', bn: 'সেকেন্ড' },
  min: { en: 'minutes', bn: 'মিনিট' },
  h: { en: 'hours', bn: 'ঘণ্টা' },
  d: { en: 'days', bn: 'দিন' },
};

/** Types of typed inputs that Node-RED does not have. */
export const TYPES: Readonly<Record<string, Words>> = {
  point: { en: 'point', bn: 'পয়েন্ট' },
  rule: { en: 'rule', bn: 'নিয়ম' },
  ago: { en: 'ago', bn: 'আগে' },
  now: { en: 'now', bn: 'এখন' },
};

/** Texts of the status, by the English text, which is the key that the runtime sends. All have fewer than 20 characters. */
export const STATUSES: Readonly<Record<string, Words>> = {
  connected: { en: 'connected', bn: 'সংযুক্ত' },
  connecting: { en: 'connecting', bn: 'সংযোগ হচ্ছে' },
  disconnected: { en: 'disconnected', bn: 'সংযোগ নেই' },
  'no gateway': { en: 'no gateway', bn: 'গেটওয়ে নেই' },
  throttled: { en: 'throttled', bn: 'সীমিত' },
  'unknown point': { en: 'unknown point', bn: 'অজানা পয়েন্ট' },
  'unknown rule': { en: 'unknown rule', bn: 'অজানা নিয়ম' },
  'no point': { en: 'no point', bn: 'পয়েন্ট নেই' },
  'no rule': { en: 'no rule', bn: 'নিয়ম নেই' },
  'wrong point': { en: 'wrong point', bn: 'ভুল পয়েন্ট' },
  'wrong property': { en: 'wrong property', bn: 'ভুল মান' },
  refused: { en: 'refused', bn: 'প্রত্যাখ্যাত' },
  'too many': { en: 'too many', bn: 'অতিরিক্ত' },
};

/** Words of the dialogs and the parts of the help. */
export const COMMON: Readonly<Record<string, Words>> = {
  gateway: { en: 'Gateway', bn: 'গেটওয়ে' },
  name: { en: 'Name', bn: 'নাম' },
  add: { en: 'add', bn: 'যোগ করুন' },
  remove: { en: 'remove', bn: 'সরান' },
  points: { en: 'fridge.temperature or fridge.*', bn: 'fridge.temperature বা fridge.*' },
  rules: { en: 'fridge-warm or *', bn: 'fridge-warm বা *' },
  unit: { en: 'Unit of time', bn: 'সময়ের একক' },
  loaded: { en: 'Points of __gateway__: __n__. You can also type.', bn: '__gateway__-এর পয়েন্ট: __n__টি। টাইপও করা যায়।' },
  rulesLoaded: { en: 'Rules of __gateway__: __n__. You can also type.', bn: '__gateway__-এর নিয়ম: __n__টি। টাইপও করা যায়।' },
  stale: { en: 'The gateway is not connected. This is its last list.', bn: 'গেটওয়ের সংযোগ নেই। এটি তার শেষ তালিকা।' },
  absent: { en: 'There is no list. Type the name.', bn: 'কোনো তালিকা নেই। নামটি টাইপ করুন।' },
  more: { en: 'The list is not complete.', bn: 'তালিকাটি সম্পূর্ণ নয়।' },
  properties: { en: 'Properties', bn: 'বৈশিষ্ট্য' },
  inputs: { en: 'Inputs', bn: 'ইনপুট' },
  outputs: { en: 'Outputs', bn: 'আউটপুট' },
  details: { en: 'Details', bn: 'বিস্তারিত' },
  thisGateway: { en: 'this gateway', bn: 'এই গেটওয়ে' },
};
