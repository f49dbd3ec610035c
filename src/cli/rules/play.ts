/** Opens a recording and plays it through the rules. */
import type { GatewayConfig, ResolvedRule } from '../../config/kinds.ts';
import { SluiceError } from '../../core/errors.ts';
import { parseTime, TIME_WORDS } from '../../core/times.ts';
import { rulesOf } from '../../gateway/kept-state.ts';
import { ComputedPoints } from './computed.ts';
import { mapOf } from './csv-columns.ts';
import { limitWords } from './limits.ts';
import { fileRecording, logRecording } from './open-recording.ts';
import { Panels } from './panels.ts';
import { type Played, Player } from './player.ts';
import type { RecordedSample, Recording, Wanted } from './recording.ts';
import { Timeline } from './timeline.ts';
import { wantedPoints } from './wanted.ts';

export interface RulesTestOptions {
  readonly config: string;
  readonly socket?: string;
  readonly from?: string;
  readonly to?: string;
  readonly rules?: string;
  readonly map?: readonly string[];
  readonly offset?: string;
  readonly json?: boolean;
  readonly svg?: string;
  readonly language?: 'en' | 'bn';
  readonly expect?: string;
  readonly save?: string;
}

/** What a report is made of. */
export interface Play {
  readonly config: GatewayConfig;
  readonly rules: readonly ResolvedRule[];
  readonly wanted: Wanted;
  readonly timeline: Timeline;
  readonly played: Played;
  /** Headings of the table that are no point. */
  readonly ignored: readonly string[];
  readonly ofLog: boolean;
  readonly panels: Panels | undefined;
}

/** @param config with the rules that are played @throws SluiceError usage, not-found, recording */
export async function play(config: GatewayConfig, file: string | undefined, options: RulesTestOptions): Promise<Play> {
  const rules = [...config.rules.values()];
  const wanted = wantedPoints(config, rules);
  const timeline = new Timeline(rules, limitWords(rules), wanted);
  const panels = options.svg === undefined ? undefined : new Panels();
  const ignored: string[] = [];
  // What was written is understood before anything is opened.
  const zone = config.gateway.timezone;
  const written = rangeOf(options, Date.now(), zone);
  // The log has what was computed; a file may lack it.
  const computed = file === undefined ? undefined : ComputedPoints.of(config, wanted);
  const read = computed?.wanted ?? wanted;
  const source: { recording: Recording; now?: number; close?(): void } =
    file === undefined
      ? await logRecording(options, (now) => fullRange(rangeOf(options, now, zone)), wanted)
      : {
          recording: fileRecording(file, {
            ...{ wanted: read, map: mapOf(options.map ?? [], read), offset: options.offset },
            onIgnored: (headings) => ignored.push(...headings),
          }),
        };
  const { from, to } = source.now === undefined ? written : rangeOf(options, source.now, zone);
  const player = new Player({
    ...{ wanted, from },
    engine: (start, shapes, saved) =>
      rulesOf(config, {
        start,
        shapes: [...shapes],
        log: { opened: { savedStates: saved.map((state) => [state.rule, JSON.stringify(state)]) } },
      }),
    onTransition: (transition) => timeline.take(transition),
    onReading: (time, reading) => panels?.take(time, reading),
  });
  let last: RecordedSample | undefined;
  try {
    for await (const sample of source.recording) {
      if (from !== undefined && sample.time < from) continue;
      if (to !== undefined && sample.time > to) continue;
      for (const one of computed?.take(sample) ?? [sample]) player.take(one);
      last = sample;
    }
    if (to !== undefined && last !== undefined) for (const one of computed?.until(to, last) ?? []) player.take(one);
  } finally {
    source.close?.();
  }
  const played = player.end(to === undefined || source.now === undefined ? to : Math.min(to, source.now));
  if (played === undefined)
    throw new SluiceError(
      'not-found',
      `${file ?? 'the log'} has no readings${from === undefined && to === undefined ? '' : ' in this time'}, so nothing was tested`,
    );
  return { config, rules, wanted, timeline, played, ignored, ofLog: file === undefined, panels };
}

/** @throws SluiceError usage */
function rangeOf(
  { from, to }: RulesTestOptions,
  now: number,
  zone: string | undefined,
): { from: number | undefined; to: number | undefined } {
  const time = (text: string | undefined): number | undefined => {
    if (text === undefined) return undefined;
    const found = parseTime(text, now, zone);
    if (found === undefined) throw new SluiceError('usage', `"${text}" is not a time: ${TIME_WORDS}`);
    return found;
  };
  const range = { from: time(from), to: time(to) };
  if ((range.from ?? 0) > (range.to ?? Number.POSITIVE_INFINITY)) throw new SluiceError('usage', '--from is later than --to');
  return range;
}

function fullRange({ from = 0, to = Number.MAX_SAFE_INTEGER }: { from: number | undefined; to: number | undefined }) {
  return { from, to };
}
