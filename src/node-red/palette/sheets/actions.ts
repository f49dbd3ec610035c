import { pointProperty } from './readings.ts';
import type { Field, Sheet } from './sheet.ts';

const REFUSED = {
  en: 'The gateway grants nothing to flows until its configuration does (<code>nodeRed.grants</code>). A refusal is an error for a Catch node.',
  bn: 'কনফিগারেশনে (<code>nodeRed.grants</code>) না দেওয়া পর্যন্ত গেটওয়ে ফ্লোকে কোনো অনুমতি দেয় না। প্রত্যাখ্যান Catch নোডের জন্য একটি ত্রুটি।',
};
const RESULT: Field = { key: 'result', type: 'object', help: { en: 'what the gateway answered', bn: 'গেটওয়ে যা উত্তর দিয়েছে' } };

export const write: Sheet = {
  ...{ file: 'write', type: 'sluice write', icon: 'font-awesome/fa-sliders', inputs: 1, outputs: 1, shows: 'point' },
  label: { en: 'write', bn: 'লেখা' },
  summary: {
    en: 'Writes a point of a device and reads it back. The message leaves after success.',
    bn: 'ডিভাইসের একটি পয়েন্টে লেখে এবং আবার পড়ে দেখে। সফল হলে বার্তা এগিয়ে যায়।',
  },
  properties: [
    pointProperty({ en: 'One point that can be written.', bn: 'লেখা যায় এমন একটি পয়েন্ট।' }),
    {
      ...{ key: 'value', value: 'payload', icon: 'sign-in' },
      control: { kind: 'typed', types: ['msg', 'flow', 'global', 'env', 'jsonata', 'num', 'str', 'bool'], type: 'msg' },
      label: { en: 'Value', bn: 'মান' },
      help: {
        en: 'A number, a text, true or false. Write 64-bit integers as a text.',
        bn: 'একটি সংখ্যা, লেখা, true বা false। ৬৪-বিট পূর্ণসংখ্যা লেখা হিসেবে দিন।',
      },
    },
    {
      ...{ key: 'within', value: '', icon: 'clock-o' },
      control: { kind: 'time', unit: 's', empty: { en: 'never', bn: 'কখনো নয়' } },
      label: { en: 'Expires after', bn: 'মেয়াদ' },
      help: { en: 'The write does not begin after this time.', bn: 'এই সময়ের পরে লেখা শুরু হয় না।' },
    },
  ],
  takes: [
    {
      key: 'payload',
      type: 'number | string | boolean',
      help: { en: 'the value, unless the node says otherwise', bn: 'মান, যদি নোডে অন্য কিছু না থাকে' },
    },
    {
      ...{ key: 'expires', type: 'number', optional: true },
      help: {
        en: 'UTC milliseconds by the clock of the gateway: the write does not begin after this time',
        bn: 'গেটওয়ের ঘড়ি অনুযায়ী UTC মিলিসেকেন্ড: এই সময়ের পরে লেখা শুরু হয় না',
      },
    },
  ],
  sends: [RESULT, { key: 'point', type: 'string', help: { en: 'the point', bn: 'পয়েন্ট' } }],
  details: [REFUSED],
};

const STATES = {
  'active-unacknowledged': { en: 'active, not acknowledged', bn: 'সক্রিয়, স্বীকৃত নয়' },
  'active-acknowledged': { en: 'active, acknowledged', bn: 'সক্রিয়, স্বীকৃত' },
  'returned-unacknowledged': { en: 'over, not acknowledged', bn: 'শেষ, স্বীকৃত নয়' },
  normal: { en: 'normal', bn: 'স্বাভাবিক' },
  latched: { en: 'over, to be reset', bn: 'শেষ, রিসেট বাকি' },
  shelved: { en: 'shelved', bn: 'স্থগিত' },
  suppressed: { en: 'suppressed by design', bn: 'নকশা অনুযায়ী চেপে রাখা' },
  'out-of-service': { en: 'out of service', bn: 'সেবার বাইরে' },
};

export const alarmIn: Sheet = {
  ...{ file: 'alarm-in', type: 'sluice alarm in', icon: 'font-awesome/fa-bell', inputs: 0, outputs: 1, shows: 'rules' },
  label: { en: 'alarm in', bn: 'অ্যালার্ম ইন' },
  summary: { en: 'Sends a message for each change of an alarm.', bn: 'অ্যালার্মের প্রতিটি পরিবর্তনে একটি বার্তা পাঠায়।' },
  properties: [
    {
      ...{ key: 'rules', value: ['*'], icon: 'bell-o', control: { kind: 'list', of: 'rules' } },
      label: { en: 'Rules', bn: 'নিয়ম' },
      help: {
        en: 'Rules of the gateway. <code>*</code> stands for any text.',
        bn: 'গেটওয়ের নিয়ম। <code>*</code> মানে যেকোনো লেখা।',
      },
    },
    {
      ...{ key: 'severities', value: [], icon: 'filter' },
      control: {
        kind: 'checks',
        options: {
          info: { en: 'info', bn: 'তথ্য' },
          warning: { en: 'warning', bn: 'সতর্কতা' },
          critical: { en: 'critical', bn: 'গুরুতর' },
        },
      },
      label: { en: 'Severity', bn: 'গুরুত্ব' },
      help: { en: 'Only these; none for all.', bn: 'শুধু এগুলো; কোনোটি না বাছলে সব।' },
    },
    {
      ...{ key: 'states', value: [], icon: 'filter', control: { kind: 'checks', options: STATES } },
      label: { en: 'State', bn: 'অবস্থা' },
      help: { en: 'Only changes to these; none for all.', bn: 'শুধু এই অবস্থায় পরিবর্তন; কোনোটি না বাছলে সব।' },
    },
    {
      ...{ key: 'trigger', value: '', icon: 'bolt', control: { kind: 'text', empty: { en: 'none', bn: 'কোনোটি নয়' } } },
      label: { en: 'Trigger', bn: 'ট্রিগার' },
      help: {
        en: 'A name under which rules trigger this flow (<code>do: [{flow: name}]</code>). The node then sends only these triggers, and no other change.',
        bn: 'যে নামে নিয়ম এই ফ্লো চালু করে (<code>do: [{flow: name}]</code>)। তখন নোড শুধু এই ট্রিগার পাঠায়, অন্য কোনো পরিবর্তন নয়।',
      },
    },
    {
      ...{ key: 'present', value: true, icon: 'play', control: { kind: 'box' } },
      label: { en: 'Present state at the start', bn: 'শুরুতে বর্তমান অবস্থা' },
      help: {
        en: 'Also sends the state of each rule when the flow starts. A change that an outage hid always comes.',
        bn: 'ফ্লো শুরু হলে প্রতিটি নিয়মের অবস্থাও পাঠায়। সংযোগ না থাকাকালের পরিবর্তন সব সময় আসে।',
      },
    },
  ],
  takes: [],
  sends: [
    {
      key: 'topic',
      type: 'string',
      help: { en: 'the rule; also in <code>msg.rule</code>', bn: 'নিয়ম; <code>msg.rule</code>-এও' },
    },
    {
      ...{ key: 'payload', type: 'string' },
      help: {
        en: 'the state: <code>normal</code>, <code>active-unacknowledged</code>, <code>active-acknowledged</code>, <code>returned-unacknowledged</code>, <code>latched</code>, <code>shelved</code>, <code>suppressed</code> or <code>out-of-service</code>',
        bn: 'অবস্থা: <code>normal</code>, <code>active-unacknowledged</code>, <code>active-acknowledged</code>, <code>returned-unacknowledged</code>, <code>latched</code>, <code>shelved</code>, <code>suppressed</code> অথবা <code>out-of-service</code>',
      },
    },
    { key: 'severity', type: 'string', help: { en: 'info, warning or critical', bn: 'info, warning অথবা critical' } },
    { key: 'occurrence', type: 'number', help: { en: 'how often the rule has been in alarm', bn: 'নিয়মটি কতবার অ্যালার্মে গেছে' } },
    { key: 'value', type: 'number | string | boolean | null', help: { en: 'the value at that time', bn: 'সেই সময়ের মান' } },
    { key: 'time', type: 'number', help: { en: 'UTC milliseconds', bn: 'UTC মিলিসেকেন্ড' } },
    { key: 'message', type: 'string', help: { en: 'the words of the rule', bn: 'নিয়মের কথা' } },
    { key: 'present', type: 'boolean', help: { en: 'true for a state that was there before', bn: 'আগে থেকে থাকা অবস্থার জন্য true' } },
    { key: 'alarm', type: 'object', help: { en: 'all of it', bn: 'সম্পূর্ণ অ্যালার্ম' } },
  ],
  details: [],
};

export const alarmAction: Sheet = {
  ...{
    file: 'alarm-action',
    type: 'sluice alarm action',
    icon: 'font-awesome/fa-bell-slash',
    inputs: 1,
    outputs: 1,
    shows: 'action',
  },
  label: { en: 'alarm action', bn: 'অ্যালার্ম কাজ' },
  summary: { en: 'Acknowledges or shelves an alarm.', bn: 'অ্যালার্ম স্বীকার করে বা স্থগিত রাখে।' },
  properties: [
    {
      ...{ key: 'action', value: 'acknowledge', icon: 'check' },
      control: {
        kind: 'select',
        options: {
          acknowledge: { en: 'acknowledge', bn: 'স্বীকার করুন' },
          shelve: { en: 'shelve', bn: 'স্থগিত রাখুন' },
          unshelve: { en: 'end the shelving', bn: 'স্থগিত শেষ করুন' },
          reset: { en: 'reset', bn: 'রিসেট করুন' },
          'out-of-service': { en: 'take out of service', bn: 'সেবার বাইরে নিন' },
          'in-service': { en: 'put in service', bn: 'সেবায় ফেরান' },
          msg: { en: 'as in msg.action', bn: 'msg.action অনুযায়ী' },
        },
      },
      label: { en: 'Action', bn: 'কাজ' },
      help: {
        en: 'msg.action is <code>acknowledge</code>, <code>shelve</code>, <code>unshelve</code>, <code>reset</code>, <code>out-of-service</code> or <code>in-service</code>. For <code>shelve</code> and <code>out-of-service</code> msg.for is the time in milliseconds. Without it an alarm out of service waits until a person puts it in service.',
        bn: 'msg.action হলো <code>acknowledge</code>, <code>shelve</code>, <code>unshelve</code>, <code>reset</code>, <code>out-of-service</code> বা <code>in-service</code>। <code>shelve</code> ও <code>out-of-service</code>-এ msg.for হলো মিলিসেকেন্ডে সময়। এটি না থাকলে কেউ সেবায় না ফেরানো পর্যন্ত অ্যালার্ম সেবার বাইরে থাকে।',
      },
    },
    {
      ...{ key: 'rule', value: 'topic', icon: 'bell-o' },
      control: { kind: 'typed', types: ['msg', 'rule', 'flow', 'global', 'env', 'jsonata'], type: 'msg' },
      label: { en: 'Rule', bn: 'নিয়ম' },
      help: { en: 'One rule.', bn: 'একটি নিয়ম।' },
    },
    {
      ...{ key: 'for', value: '1', icon: 'clock-o', when: { key: 'action', is: ['shelve', 'msg'] } },
      control: { kind: 'time', unit: 'h', empty: { en: 'a time is needed', bn: 'সময় দরকার' } },
      label: { en: 'For', bn: 'সময়' },
      help: { en: 'How long the alarm stays shelved.', bn: 'অ্যালার্ম কতক্ষণ স্থগিত থাকবে।' },
    },
    {
      ...{ key: 'reason', value: '', icon: 'comment-o', when: { key: 'action', is: ['shelve', 'out-of-service', 'msg'] } },
      control: { kind: 'typed', types: ['str', 'msg', 'flow', 'global', 'env', 'jsonata'], type: 'str' },
      label: { en: 'Reason', bn: 'কারণ' },
      help: { en: 'At most 200 characters.', bn: 'সর্বোচ্চ ২০০ অক্ষর।' },
    },
  ],
  takes: [
    {
      key: 'topic',
      type: 'string',
      help: { en: 'the rule, unless the node says otherwise', bn: 'নিয়ম, যদি নোডে অন্য কিছু না থাকে' },
    },
    {
      ...{ key: 'occurrence', type: 'number', optional: true },
      help: { en: 'acknowledges only this occurrence', bn: 'শুধু এই বারেরটি স্বীকার করে' },
    },
    {
      ...{ key: 'for', type: 'number', optional: true },
      help: {
        en: 'milliseconds, for <code>out-of-service</code> (1 s to 90 days), and for a <code>shelve</code> of msg.action',
        bn: 'মিলিসেকেন্ড, <code>out-of-service</code>-এর জন্য (১ সেকেন্ড থেকে ৯০ দিন), এবং msg.action-এর <code>shelve</code>-এর জন্য',
      },
    },
  ],
  sends: [RESULT, { key: 'rule', type: 'string', help: { en: 'the rule', bn: 'নিয়ম' } }],
  details: [REFUSED],
};

export const status: Sheet = {
  ...{ file: 'status', type: 'sluice status', icon: 'font-awesome/fa-heartbeat', inputs: 1, outputs: 1 },
  label: { en: 'status', bn: 'অবস্থা' },
  summary: {
    en: 'Sends the state of the gateway: at each message, at times, and when the connection comes or goes.',
    bn: 'গেটওয়ের অবস্থা পাঠায়: প্রতিটি বার্তায়, নির্দিষ্ট সময় পরপর, এবং সংযোগ এলে বা গেলে।',
  },
  properties: [
    {
      ...{ key: 'every', value: '', icon: 'clock-o' },
      control: { kind: 'time', unit: 'min', empty: { en: 'only at a message', bn: 'শুধু বার্তায়' } },
      label: { en: 'Every', bn: 'প্রতি' },
      help: { en: 'Also asks by itself; at least one second.', bn: 'নিজে থেকেও জানতে চায়; কমপক্ষে এক সেকেন্ড।' },
    },
    {
      ...{ key: 'changes', value: true, icon: 'plug', control: { kind: 'box' } },
      label: { en: 'Connection', bn: 'সংযোগ' },
      help: { en: 'Also sends a message when the connection comes or goes.', bn: 'সংযোগ এলে বা গেলেও একটি বার্তা পাঠায়।' },
    },
  ],
  takes: [],
  sends: [
    { key: 'topic', type: 'string', help: { en: '<code>status</code>', bn: '<code>status</code>' } },
    {
      ...{ key: 'payload', type: 'object' },
      help: {
        en: '<code>connected</code> and <code>gateway</code>; while it is connected also buses, devices, forwarders, clock and disk',
        bn: '<code>connected</code> ও <code>gateway</code>; সংযুক্ত থাকলে বাস, ডিভাইস, ফরওয়ার্ডার, ঘড়ি ও ডিস্কও',
      },
    },
  ],
  details: [],
};

export const gateway: Sheet = {
  ...{ file: 'gateway', type: 'sluice-gateway', config: true, icon: 'sluice.svg', inputs: 0, outputs: 0 },
  label: { en: 'gateway', bn: 'গেটওয়ে' },
  summary: {
    en: 'The connection to a Sluice gateway, shared by all nodes. Nodes without one use the gateway that runs this Node-RED.',
    bn: 'একটি Sluice গেটওয়ের সঙ্গে সংযোগ, সব নোড এটি ভাগ করে নেয়। এটি ছাড়া নোডগুলো এই Node-RED চালানো গেটওয়ে ব্যবহার করে।',
  },
  properties: [
    {
      ...{ key: 'way', value: 'this', icon: 'plug' },
      control: {
        kind: 'select',
        options: {
          this: { en: 'the gateway that runs this Node-RED', bn: 'এই Node-RED চালানো গেটওয়ে' },
          socket: { en: 'a gateway at a socket', bn: 'সকেটে থাকা একটি গেটওয়ে' },
        },
      },
      label: { en: 'Connect to', bn: 'সংযোগ' },
      help: { en: 'On a gateway nothing else is needed.', bn: 'গেটওয়েতে আর কিছু লাগে না।' },
    },
    {
      ...{ key: 'socket', value: '', icon: 'file-o', when: { key: 'way', is: ['socket'] } },
      control: { kind: 'text', empty: { en: '/run/sluice/flows.sock', bn: '/run/sluice/flows.sock' } },
      label: { en: 'Socket', bn: 'সকেট' },
      help: { en: 'Path of the socket for flows.', bn: 'ফ্লোর সকেটের পথ।' },
    },
    {
      ...{ key: 'token', value: '', icon: 'key', when: { key: 'way', is: ['socket'] }, control: { kind: 'secret' } },
      label: { en: 'Token', bn: 'টোকেন' },
      help: { en: 'Kept with the credentials of Node-RED and not in the flow.', bn: 'Node-RED-এর গোপন তথ্যে থাকে, ফ্লোতে নয়।' },
    },
  ],
  takes: [],
  sends: [],
  details: [],
};
