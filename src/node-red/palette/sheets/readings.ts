import type { Field, Property, Sheet } from './sheet.ts';

const TYPED_POINT = ['point', 'msg', 'flow', 'global', 'env', 'jsonata'];

export const pointProperty = (help: Property['help'], value = ''): Property => ({
  ...{ key: 'point', value, icon: 'crosshairs', help },
  control: { kind: 'typed', types: TYPED_POINT, type: 'point' },
  label: { en: 'Point', bn: 'পয়েন্ট' },
});

const READING: readonly Field[] = [
  {
    key: 'topic',
    type: 'string',
    help: { en: 'the point, as <code>device.point</code>', bn: 'পয়েন্ট, <code>device.point</code> আকারে' },
  },
  {
    ...{ key: 'payload', type: 'number | string | boolean | null' },
    help: { en: 'the value; null for a bad reading', bn: 'মান; খারাপ রিডিংয়ে null' },
  },
  { key: 'point', type: 'string', help: { en: 'the same as the topic', bn: 'টপিকের মতোই' } },
  { key: 'device', type: 'string', help: { en: 'the device', bn: 'ডিভাইস' } },
  { key: 'unit', type: 'string', optional: true, help: { en: 'UCUM code of the unit', bn: 'এককের UCUM কোড' } },
  { key: 'quality', type: 'string', help: { en: 'good, uncertain or bad', bn: 'good, uncertain অথবা bad' } },
  { key: 'reason', type: 'string', optional: true, help: { en: 'why the quality is not good', bn: 'মান ভালো না হওয়ার কারণ' } },
  { key: 'time', type: 'number', help: { en: 'when it was read, UTC milliseconds', bn: 'কখন পড়া হয়েছে, UTC মিলিসেকেন্ড' } },
  {
    ...{ key: 'clock', type: 'string', optional: true },
    help: { en: '<code>estimated</code> while the time is not confirmed', bn: 'সময় নিশ্চিত না হলে <code>estimated</code>' },
  },
];

export const readingIn: Sheet = {
  ...{ file: 'reading-in', type: 'sluice reading in', icon: 'sluice.svg', inputs: 0, outputs: 1, shows: 'points' },
  label: { en: 'reading in', bn: 'রিডিং ইন' },
  summary: {
    en: 'Sends a message for each reading of the chosen points.',
    bn: 'বাছাই করা পয়েন্টগুলোর প্রতিটি রিডিংয়ের জন্য একটি বার্তা পাঠায়।',
  },
  properties: [
    {
      ...{ key: 'points', value: [], icon: 'crosshairs', control: { kind: 'list', of: 'points' } },
      label: { en: 'Points', bn: 'পয়েন্ট' },
      help: {
        en: 'Points of the gateway. Choose from the list or type. <code>*</code> stands for any text: <code>fridge.*</code>, <code>room-*.temperature</code>.',
        bn: 'গেটওয়ের পয়েন্ট। তালিকা থেকে বাছুন বা টাইপ করুন। <code>*</code> মানে যেকোনো লেখা: <code>fridge.*</code>, <code>room-*.temperature</code>।',
      },
    },
    {
      ...{ key: 'mode', value: 'current', icon: 'random' },
      control: {
        kind: 'select',
        options: {
          current: { en: 'the newest value', bn: 'সর্বশেষ মান' },
          every: { en: 'every reading', bn: 'প্রতিটি রিডিং' },
        },
      },
      label: { en: 'Send', bn: 'পাঠান' },
      help: {
        en: 'With a slow flow, <b>the newest value</b> leaves older readings of a point out. <b>Every reading</b> keeps up to 1,000 readings for the flow.',
        bn: 'ফ্লো ধীর হলে <b>সর্বশেষ মান</b> পুরোনো রিডিং বাদ দেয়। <b>প্রতিটি রিডিং</b> ফ্লোর জন্য ১,০০০টি পর্যন্ত রিডিং রাখে।',
      },
    },
    {
      ...{ key: 'every', value: '', icon: 'clock-o' },
      control: { kind: 'time', unit: 's', empty: { en: 'no limit', bn: 'সীমা নেই' } },
      label: { en: 'At most every', bn: 'সর্বোচ্চ প্রতি' },
      help: { en: 'At most one message of each point in this time.', bn: 'এই সময়ে প্রতি পয়েন্টের সর্বোচ্চ একটি বার্তা।' },
    },
    {
      ...{ key: 'quality', value: 'good', icon: 'check-circle-o' },
      control: {
        kind: 'select',
        options: {
          good: { en: 'good readings', bn: 'ভালো রিডিং' },
          all: { en: 'also bad readings', bn: 'খারাপ রিডিংও' },
        },
      },
      label: { en: 'Quality', bn: 'মান' },
      help: {
        en: 'A bad reading has no value. It says why in <code>msg.reason</code>.',
        bn: 'খারাপ রিডিংয়ে মান থাকে না। কারণ থাকে <code>msg.reason</code>-এ।',
      },
    },
    {
      ...{ key: 'initial', value: true, icon: 'play', control: { kind: 'box' } },
      label: { en: 'Present value at the start', bn: 'শুরুতে বর্তমান মান' },
      help: {
        en: 'Also sends the present reading of each point when the flow starts.',
        bn: 'ফ্লো শুরু হলে প্রতিটি পয়েন্টের বর্তমান রিডিংও পাঠায়।',
      },
    },
  ],
  takes: [],
  sends: [
    ...READING,
    {
      ...{ key: 'initial', type: 'boolean', optional: true },
      help: { en: 'true for a reading from before the start of the flow', bn: 'ফ্লো শুরুর আগের রিডিংয়ের জন্য true' },
    },
  ],
  details: [
    {
      en: 'The gateway sends the next readings when the flow has taken the last ones. The status <b>throttled</b> shows that readings were left out for this flow. They are still in the log of the gateway.',
      bn: 'ফ্লো আগের রিডিং নেওয়ার পর গেটওয়ে পরের রিডিং পাঠায়। <b>সীমিত</b> অবস্থা দেখায় যে এই ফ্লোর জন্য কিছু রিডিং বাদ পড়েছে। সেগুলো গেটওয়ের লগে থাকে।',
    },
    {
      en: 'The status <b>unknown point</b> shows that the gateway has no such point now. The node keeps its choice and works again when the point is back.',
      bn: '<b>অজানা পয়েন্ট</b> অবস্থা দেখায় যে গেটওয়েতে এখন এমন পয়েন্ট নেই। নোড তার পছন্দ রাখে এবং পয়েন্টটি ফিরলে আবার কাজ করে।',
    },
  ],
};

export const latest: Sheet = {
  ...{ file: 'latest', type: 'sluice latest', icon: 'font-awesome/fa-tachometer', inputs: 1, outputs: 1, shows: 'point' },
  label: { en: 'latest', bn: 'সর্বশেষ' },
  summary: { en: 'Asks for the latest readings of points, at each message.', bn: 'প্রতিটি বার্তায় পয়েন্টের সর্বশেষ রিডিং জানতে চায়।' },
  properties: [
    pointProperty({
      en: 'One point, several with commas between them, or a pattern with <code>*</code>. A message may also bring an array.',
      bn: 'একটি পয়েন্ট, কমা দিয়ে কয়েকটি, অথবা <code>*</code> সহ একটি প্যাটার্ন। বার্তা একটি অ্যারেও আনতে পারে।',
    }),
    {
      ...{ key: 'result', value: 'value', icon: 'sign-out' },
      control: {
        kind: 'select',
        options: {
          value: { en: 'one reading', bn: 'একটি রিডিং' },
          list: { en: 'a list of readings', bn: 'রিডিংয়ের তালিকা' },
          object: { en: 'an object of values', bn: 'মানের অবজেক্ট' },
        },
      },
      label: { en: 'Result', bn: 'ফল' },
      help: {
        en: 'One reading gives the properties below. A list puts an array of readings into <code>msg.payload</code>. An object has the values by point.',
        bn: 'একটি রিডিং নিচের বৈশিষ্ট্যগুলো দেয়। তালিকা <code>msg.payload</code>-এ রিডিংয়ের অ্যারে রাখে। অবজেক্টে পয়েন্ট অনুযায়ী মান থাকে।',
      },
    },
  ],
  takes: [],
  sends: READING,
  details: [
    {
      en: 'Without a reading of the only point, the node reports an error. A Catch node gets it.',
      bn: 'একমাত্র পয়েন্টের কোনো রিডিং না থাকলে নোড ত্রুটি জানায়। Catch নোড সেটি পায়।',
    },
  ],
};

const MOMENT = ['msg', 'flow', 'global', 'env', 'jsonata', 'num', 'str'];
export const history: Sheet = {
  ...{ file: 'history', type: 'sluice history', icon: 'font-awesome/fa-history', inputs: 1, outputs: 1, shows: 'point' },
  label: { en: 'history', bn: 'ইতিহাস' },
  summary: {
    en: 'Asks for the stored readings of a point in a range of time, at each message.',
    bn: 'প্রতিটি বার্তায় একটি সময়সীমায় পয়েন্টের সংরক্ষিত রিডিং জানতে চায়।',
  },
  properties: [
    pointProperty({ en: 'One point.', bn: 'একটি পয়েন্ট।' }),
    {
      ...{ key: 'from', value: '24', icon: 'step-backward' },
      control: { kind: 'typed', types: ['ago', ...MOMENT], type: 'ago', unit: 'h' },
      label: { en: 'From', bn: 'থেকে' },
      help: {
        en: 'The start: a time ago, UTC milliseconds, or an ISO time such as <code>2026-11-26T10:00:00Z</code>.',
        bn: 'শুরু: কিছু সময় আগে, UTC মিলিসেকেন্ড, অথবা <code>2026-11-26T10:00:00Z</code>-এর মতো ISO সময়।',
      },
    },
    {
      ...{ key: 'to', value: '', icon: 'step-forward' },
      control: { kind: 'typed', types: ['now', 'ago', ...MOMENT], type: 'now', unit: 'h' },
      label: { en: 'To', bn: 'পর্যন্ত' },
      help: { en: 'The end, in the same forms.', bn: 'শেষ, একই আকারে।' },
    },
    {
      ...{ key: 'every', value: '', icon: 'compress' },
      control: { kind: 'time', unit: 'min', empty: { en: 'all readings', bn: 'সব রিডিং' } },
      label: { en: 'Summary of', bn: 'সারাংশ প্রতি' },
      help: {
        en: 'Gives minimum, mean, maximum and count of each such time, in place of the readings.',
        bn: 'রিডিংয়ের বদলে এমন প্রতিটি সময়ের সর্বনিম্ন, গড়, সর্বোচ্চ ও সংখ্যা দেয়।',
      },
    },
    {
      ...{ key: 'most', value: '5000', icon: 'list-ol', control: { kind: 'text' } },
      label: { en: 'At most', bn: 'সর্বোচ্চ' },
      help: { en: 'Rows of the answer, 1 to 50,000.', bn: 'উত্তরের সারি, ১ থেকে ৫০,০০০।' },
    },
  ],
  takes: [],
  sends: [
    {
      ...{ key: 'payload', type: 'array' },
      help: {
        en: 'the oldest first: <code>{time, value, quality}</code>, or <code>{time, min, mean, max, count}</code>',
        bn: 'পুরোনোটি আগে: <code>{time, value, quality}</code>, অথবা <code>{time, min, mean, max, count}</code>',
      },
    },
    {
      key: 'topic',
      type: 'string',
      help: { en: 'the point; also in <code>msg.point</code>', bn: 'পয়েন্ট; <code>msg.point</code>-এও' },
    },
    { key: 'unit', type: 'string', optional: true, help: { en: 'UCUM code of the unit', bn: 'এককের UCUM কোড' } },
    {
      key: 'from',
      type: 'number',
      help: { en: 'the start; the end is in <code>msg.to</code>', bn: 'শুরু; শেষ থাকে <code>msg.to</code>-এ' },
    },
    { key: 'every', type: 'number', optional: true, help: { en: 'milliseconds of a summary', bn: 'সারাংশের মিলিসেকেন্ড' } },
    {
      key: 'truncated',
      type: 'boolean',
      help: { en: 'whether there is more than was asked for', bn: 'যতটা চাওয়া হয়েছে তার বেশি আছে কি না' },
    },
  ],
  details: [
    {
      en: 'The answer holds committed readings only: the newest seconds may still be missing.',
      bn: 'উত্তরে শুধু সংরক্ষিত রিডিং থাকে: শেষ কয়েক সেকেন্ড বাদ থাকতে পারে।',
    },
  ],
};

export const readingOut: Sheet = {
  ...{ file: 'reading-out', type: 'sluice reading out', icon: 'sluice.svg', inputs: 1, outputs: 0, shows: 'point' },
  label: { en: 'reading out', bn: 'রিডিং আউট' },
  summary: {
    en: 'Gives the gateway a reading that the flow made. The gateway stores it, evaluates rules with it and forwards it like any other.',
    bn: 'ফ্লোর তৈরি রিডিং গেটওয়েকে দেয়। গেটওয়ে সেটি সংরক্ষণ করে, নিয়মে যাচাই করে এবং অন্য রিডিংয়ের মতো পাঠায়।',
  },
  properties: [
    pointProperty({
      en: 'A point of a bus with <code>protocol: flows</code>. It is declared in the configuration, or its name begins with an accepted prefix.',
      bn: '<code>protocol: flows</code> বাসের একটি পয়েন্ট। এটি কনফিগারেশনে ঘোষিত, অথবা নামটি অনুমোদিত উপসর্গে শুরু।',
    }),
    {
      ...{ key: 'value', value: 'payload', icon: 'sign-in' },
      control: { kind: 'typed', types: ['msg', 'flow', 'global', 'env', 'jsonata', 'num', 'str', 'bool'], type: 'msg' },
      label: { en: 'Value', bn: 'মান' },
      help: { en: 'A number, a text, true or false.', bn: 'একটি সংখ্যা, লেখা, true বা false।' },
    },
    {
      ...{
        key: 'unit',
        value: '',
        icon: 'balance-scale',
        control: { kind: 'text', empty: { en: 'as declared', bn: 'যেমন ঘোষিত' } },
      },
      label: { en: 'Unit', bn: 'একক' },
      help: { en: 'UCUM code, for points that are accepted by prefix.', bn: 'UCUM কোড, উপসর্গে গৃহীত পয়েন্টের জন্য।' },
    },
    {
      ...{ key: 'time', value: '', icon: 'clock-o' },
      control: { kind: 'typed', types: ['now', 'msg', 'flow', 'global', 'jsonata'], type: 'now' },
      label: { en: 'Time', bn: 'সময়' },
      help: { en: 'Now, or UTC milliseconds, or an ISO time.', bn: 'এখন, অথবা UTC মিলিসেকেন্ড, অথবা ISO সময়।' },
    },
  ],
  takes: [
    {
      key: 'payload',
      type: 'number | string | boolean',
      help: { en: 'the value, unless the node says otherwise', bn: 'মান, যদি নোডে অন্য কিছু না থাকে' },
    },
    {
      ...{ key: 'quality', type: 'string', optional: true },
      help: {
        en: '<code>bad</code> gives a reading without a value, <code>uncertain</code> a doubtful one',
        bn: '<code>bad</code> দিলে মানহীন রিডিং, <code>uncertain</code> দিলে সন্দেহজনক রিডিং হয়',
      },
    },
    {
      ...{ key: 'reason', type: 'string', optional: true },
      help: { en: 'why; one of the reasons that the gateway knows', bn: 'কারণ; গেটওয়ের জানা কারণগুলোর একটি' },
    },
  ],
  sends: [],
  details: [
    {
      en: 'The message is done when the gateway has taken the reading. A refused reading is an error for a Catch node.',
      bn: 'গেটওয়ে রিডিং নিলে বার্তা সম্পন্ন হয়। প্রত্যাখ্যাত রিডিং Catch নোডের জন্য একটি ত্রুটি।',
    },
    {
      en: 'At most 1,000 readings wait in the node. Further ones are left out, and one error a second counts them. The status <b>throttled</b> shows it.',
      bn: 'নোডে সর্বোচ্চ ১,০০০টি রিডিং অপেক্ষা করে। বাকিগুলো বাদ যায়, এবং প্রতি সেকেন্ডে একটি ত্রুটি সেগুলো গণনা করে। <b>সীমিত</b> অবস্থা তা দেখায়।',
    },
    {
      en: 'The device takes so many readings a second (<code>perSecond</code>). Of what is more, the newest of each point waits for its turn. It replaces the one before, and one error a second counts those.',
      bn: 'যন্ত্র এক সেকেন্ডে নির্দিষ্ট সংখ্যক রিডিং নেয় (<code>perSecond</code>)। বেশি এলে প্রতিটি পয়েন্টের নতুনটি অপেক্ষা করে এবং আগেরটির জায়গা নেয়। প্রতি সেকেন্ডে একটি ত্রুটি আগেরগুলো গণনা করে।',
    },
  ],
};
