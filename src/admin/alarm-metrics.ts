/** Figures of alarms by ISA-18.2 and IEC 62682 (src/rules/alarm-figures.ts). */
import { type Metric, single } from './metric.ts';

export const ALARM_METRICS: readonly Metric[] = [
  single('sluice_alarms_annunciated', 'counter', 'Alarms that became active.', (r) => r.alarmFigures.annunciated),
  single('sluice_alarms_per_hour', 'gauge', 'Average of the last 24 hours.', (r) => r.alarmFigures.perHour),
  single('sluice_alarms_per_day', 'gauge', 'Average of the last 30 days.', (r) => r.alarmFigures.perDay),
  single('sluice_alarm_flood', 'gauge', '1 from the 11th alarm in 10 minutes until fewer than 5 come in 10 minutes.', (r) =>
    r.alarmFigures.flood.active ? 1 : 0,
  ),
  single('sluice_alarm_floods', 'counter', 'Floods so far.', (r) => r.alarmFigures.flood.floods),
  single('sluice_alarm_flood_time_seconds', 'counter', 'Time of all floods.', (r) => r.alarmFigures.flood.time / 1000),
  single(
    'sluice_alarms_chattering',
    'gauge',
    'Rules that became active 3 times in the last minute.',
    (r) => r.alarmFigures.chattering.now,
  ),
  single(
    'sluice_alarm_chatter_episodes',
    'counter',
    'How often a rule began to chatter.',
    (r) => r.alarmFigures.chattering.episodes,
  ),
  single('sluice_alarms_standing', 'gauge', 'Rules that are active for more than 24 hours.', (r) => r.alarmFigures.standing.now),
  {
    ...{ name: 'sluice_alarm_frequent', type: 'gauge', labels: ['rule'] },
    help: 'How often the ten most frequent alarms became active in the last 30 days.',
    read: (r) => r.alarmFigures.worst.map(({ rule, count }) => [{ rule }, count] as const),
  },
];
