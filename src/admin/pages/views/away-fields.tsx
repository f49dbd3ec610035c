/** For how long, and why, an alarm is shelved or taken out of service. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { useShell } from '../parts/shell.ts';
import { span } from '../words/times.ts';

const MINUTE = 60_000;
/** The gateway takes up to seven days for shelving. */
const HOUR = 60 * MINUTE;
const LENGTHS = [15 * MINUTE, HOUR, 8 * HOUR, 24 * HOUR, 7 * 24 * HOUR];
/** Up to 90 days; 0: no end. */
const OUT_LENGTHS = [HOUR, 8 * HOUR, 24 * HOUR, 7 * 24 * HOUR, 30 * 24 * HOUR, 90 * 24 * HOUR, 0];

export type AwayForm = 'shelve' | 'out';

interface AwayProps {
  readonly form: AwayForm;
  readonly rule: string;
  readonly disabled: boolean;
  cancel(): void;
  /** @param length milliseconds; 0: no end */
  send(length: number, reason: string): Promise<void>;
}

export function AwayFields({ form, rule, disabled, cancel, send }: AwayProps): JSX.Element {
  const { words } = useShell();
  const out = form === 'out';
  const lengths = out ? OUT_LENGTHS : LENGTHS;
  const [length, setLength] = useState(lengths[1] as number);
  const [reason, setReason] = useState('');
  const first = useRef<HTMLSelectElement>(null);
  // Other buttons stand between the one that opened the form and the form.
  useEffect(() => first.current?.focus(), []);
  return (
    <form
      class="shelve"
      onKeyDown={(event) => event.key === 'Escape' && cancel()}
      onSubmit={(event) => {
        event.preventDefault();
        void send(length, reason.trim());
      }}
    >
      {out && <p class="quiet">{words.t('alarms.outWhat')}</p>}
      <label for={`for-${rule}`}>{words.t(out ? 'alarms.outFor' : 'alarms.shelveFor')}</label>
      <select ref={first} id={`for-${rule}`} value={length} onChange={(event) => setLength(Number(event.currentTarget.value))}>
        {lengths.map((ms) => (
          <option key={ms} value={ms}>
            {ms === 0 ? words.t('alarms.outNoEnd') : span(words, ms)}
          </option>
        ))}
      </select>
      <label for={`why-${rule}`}>{words.t(out ? 'alarms.outReason' : 'alarms.reason')}</label>
      <input
        id={`why-${rule}`}
        type="text"
        maxLength={200}
        required={out}
        pattern={out ? '.*\\S.*' : undefined}
        value={reason}
        onInput={(event) => setReason(event.currentTarget.value)}
      />
      <div class="buttons">
        <button type="submit" disabled={disabled} aria-label={words.t(out ? 'alarms.outOf' : 'alarms.shelveOf', { rule })}>
          {words.t(out ? 'alarms.out' : 'alarms.shelve')}
        </button>
        <button type="button" class="second" onClick={cancel}>
          {words.t('alarms.cancel')}
        </button>
      </div>
    </form>
  );
}
