/** The labels of the picture of a play. */
export const LABELS = {
  en: {
    value: 'value',
    limit: (words: string): string => words,
    deadband: 'deadband',
    alarm: 'alarm',
    trial: 'on trial',
    bad: 'bad readings',
    gap: 'no readings',
    none: 'no readings with a number',
    alarms: 'Alarms',
    quiet: 'no alarm',
    open: 'not over',
    more: 'more',
    local: 'local time',
  },
  bn: {
    value: 'মান',
    limit: (words: string): string => words.replace(/^above /, '> ').replace(/^below /, '< '),
    deadband: 'ডেডব্যান্ড',
    alarm: 'অ্যালার্ম',
    trial: 'পরীক্ষাধীন',
    bad: 'ত্রুটিপূর্ণ রিডিং',
    gap: 'রিডিং নেই',
    none: 'সংখ্যার কোনো রিডিং নেই',
    alarms: 'অ্যালার্ম',
    quiet: 'অ্যালার্ম নেই',
    open: 'শেষ হয়নি',
    more: 'আরও',
    local: 'স্থানীয় সময়',
  },
} as const;

export type Labels = (typeof LABELS)[keyof typeof LABELS];
