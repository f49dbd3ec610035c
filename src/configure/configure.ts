/**
 * Takes signed configurations from upstream (command `configure`). Invariants:
 * - Nothing is read from a text before a pinned key signed exactly it, for this gateway and with a version above all that began.
 * - A version begins once: it is in the record before anything changes (record.ts), so nobody can play an old message again.
 * - A configuration is on trial until the gateway ran as well with it as before (health.ts). Every other end of the trial puts the one
 *   before in force: time over, a fault, a stop, a power cut. At a start a trial that is in the record is over.
 * - The file on the board is never written. A person who changes it and reloads is the last word.
 * - Bounds: one trial at a time, one outcome that waits to be reported.
 */
import { UnsyncedError, unwrittenWords } from '../access/state-file.ts';
import type { GatewayConfig } from '../config/kinds.ts';
import type { ConfigureCommand, Results, RunOptions } from '../core/commands.ts';
import type { ConfigReport, LastConfigure, Ran } from '../core/configuring.ts';
import { endsWithin } from '../core/ends-within.ts';
import { SluiceError, toError } from '../core/errors.ts';
import type { GatewayEvent } from '../core/ports.ts';
import { admit, DAMAGED, refused } from './admission.ts';
import type { Base, Candidate } from './base.ts';
import { outOfBounds } from './bounds.ts';
import type { Configured, ConfigureOptions, Loaded, UpstreamText } from './configured.ts';
import { type Health, missing } from './health.ts';
import { bounded, digestOf, EMPTY, type Kept, type Last, outcomeOf, type PushRecord } from './record.ts';
import { withoutCurrent } from './settle.ts';
import { isSame, Telling } from './telling.ts';

/** The answer "on trial" leaves before the connection may end. Milliseconds. */
const BEFORE_TRIAL = 1000;
const LOOK = 1000;
/** So many good looks one after the other. */
const GOOD_LOOKS = 5;
/** Tries to put the configuration before in force, and the pause between them. */
const BACK_TRIES = 5;
const BACK_PAUSE = 3000;
/** A disk may hang for ever: after so long the configuration before counts in memory at least. */
const DISK_WAIT = 5000;
/** Wires that a person waits for at the board: they are closed and opened twice. */
const PERSON_WAIT = 120_000;
const OWNER = 'forwarder:';

interface Trial {
  readonly kept: NonNullable<PushRecord['trial']>;
  readonly ran: Ran;
  readonly next: GatewayConfig;
  readonly previous: GatewayConfig;
  readonly before: Health;
  /** Monotonic. */
  readonly deadline: number;
  /** UTC milliseconds. */
  readonly until: number;
  readonly over: PromiseWithResolvers<void>;
  /** Why it ends early. */
  end: string | undefined;
}

export class Configure {
  readonly #o: ConfigureOptions;
  #record: PushRecord;
  #damaged: boolean;
  /** See `ConfigureOptions.aside`. Another version may become the current one. */
  #aside: boolean;
  #base: Base | undefined;
  #gateway: Configured | undefined;
  #trial: Trial | undefined;
  /** A command is being looked at; resolves when its trial began, or none. */
  #taking: Promise<void> | undefined;
  /** How often the file on the board is being read again. */
  #readings = 0;
  #stopped = false;
  #cancel: () => void = () => {};
  #telling: Telling | undefined;
  #wake: () => void = () => {};
  #writing: Promise<void> = Promise.resolve();

  constructor(options: ConfigureOptions) {
    this.#o = options;
    this.#damaged = options.record === 'damaged';
    this.#record = options.record === 'damaged' ? EMPTY : options.record;
    this.#aside = options.aside ?? false;
    this.#base = options.base;
  }

  /** The gateway runs. */
  begin(gateway: Configured): void {
    this.#gateway = gateway;
    for (const notice of this.#o.notices) this.#report('warning', notice, {});
    if (!this.#damaged && (this.#o.notices.length > 0 || this.#o.store.alone)) void this.#save((record) => record);
    const { last } = this.#record;
    this.#telling = new Telling({
      ...{ clock: this.#o.clock, gateway },
      received: (of) =>
        this.#save((record) => (isSame(record.last, of) ? { ...record, last: { ...of, received: true } } : record)),
    });
    if (last !== undefined && !last.received) this.#telling?.begin(last);
  }

  /** A trial that is under way ends with the process; the next start puts the configuration before in force. */
  stop(): void {
    this.#stopped = true;
    this.#cancel();
    this.#telling?.stop();
    this.#trial?.over.resolve();
  }

  /** Resolves when the record of now is written. */
  get written(): Promise<void> {
    return this.#writing;
  }

  report(): ConfigReport {
    const { last } = this.#record;
    const current = this.#current;
    const trial = this.#trial;
    const origin =
      this.#base === undefined
        ? 'last-good'
        : current !== undefined || trial !== undefined
          ? 'upstream'
          : this.#base.provisioned
            ? 'provisioning'
            : 'file';
    const sent = origin === 'upstream' ? (trial?.kept ?? current) : undefined;
    return {
      origin,
      ...(sent !== undefined && { version: sent.version, sender: { forwarder: sent.forwarder, key: sent.key, time: sent.time } }),
      ...(trial !== undefined && { trial: { version: trial.kept.version, until: trial.until } }),
      ...(last !== undefined && { last: shown(last) }),
      ...(this.#damaged && { fault: DAMAGED }),
    };
  }

  /**
   * The file on the board is read again, because a person asks: a trial ends, and nothing begins until the reload is over.
   * @param reload gets the text that stays in force instead of the file, which is as it was when that text came; undefined: the file counts
   */
  async reading<T>(base: Base, reload: (fromUpstream: UpstreamText | undefined) => Promise<T>): Promise<T> {
    this.#readings++;
    try {
      if (this.#taking !== undefined) await this.#forPerson(this.#taking);
      if (this.#trial !== undefined) {
        this.#trial.end ??= 'the configuration was read again on the board';
        this.#wake();
        await this.#forPerson(this.#trial.over.promise);
      }
      const current = this.#current;
      const yaml = current !== undefined && digestOf(base.text) === current.base ? this.#o.store.text(current) : undefined;
      const done = await reload(current && yaml !== undefined ? { yaml, version: current.version, base } : undefined);
      this.#base = base;
      if (yaml === undefined) await this.#fileInForce(base);
      return done;
    } finally {
      this.#readings--;
    }
  }

  /** @throws SluiceError busy */
  async #forPerson(over: Promise<unknown>): Promise<void> {
    if (!(await endsWithin(this.#o.clock, over, PERSON_WAIT)))
      throw new SluiceError(
        'busy',
        'a configuration from upstream is on trial and does not end: does the disk still answer (sluice status)? Nothing was read; try again',
      );
  }

  /** The configuration from upstream that is in force. */
  get #current(): Kept | undefined {
    return this.#aside ? undefined : this.#record.current;
  }

  async #fileInForce(base: Base): Promise<void> {
    const { current } = this.#record;
    if (current === undefined || (this.#aside && digestOf(base.text) === current.base)) return;
    const message = `The file on the board was changed and is in force instead of version ${current.version}.`;
    await this.#save((record) => withoutCurrent(record, message, this.#time()));
    this.#report('warning', message, { version: current.version, result: 'replaced' });
    this.#gateway?.republish();
  }

  /** @throws SluiceError in words for the sender */
  async run(command: ConfigureCommand, { begin, later }: RunOptions): Promise<Results['configure']> {
    const gateway = this.#gateway;
    if (gateway === undefined || this.#stopped)
      throw new SluiceError('not-running', 'the gateway is starting or stopping; send it with a new id');
    if (later === undefined || !later.owner.startsWith(OWNER))
      throw new SluiceError('unsupported', 'configurations come from a forwarder; at the board edit the file');
    if (this.#readings > 0)
      throw new SluiceError('busy', 'a person reads the configuration on the board again; send with a new id in a minute');
    if (this.#taking !== undefined || this.#trial !== undefined)
      throw new SluiceError(
        'busy',
        `a configuration${this.#trial === undefined ? '' : ` (version ${this.#trial.kept.version})`} is on trial; wait for its outcome, then send with a new id`,
      );
    const taken = Promise.withResolvers<void>();
    this.#taking = taken.promise;
    try {
      const forwarder = later.owner.slice(OWNER.length);
      const { base, key } = admit(command, {
        config: gateway.config,
        base: this.#base,
        record: this.#damaged ? 'damaged' : this.#record,
      });
      begin?.();
      // The signer learns nothing about files that the board does not name.
      const wrong = outOfBounds(this.#load({ ...command, base }, false), base, forwarder);
      if (wrong.length > 0) throw refused(bounded(`version ${command.version} changes what it may not: ${wrong.join('; ')}`));
      const loaded = this.#load({ ...command, base }, true);
      const kept = {
        ...{
          version: command.version,
          sha256: digestOf(command.yaml),
          base: digestOf(base.text),
          key: key.fingerprint,
          forwarder,
        },
        ...{ time: gateway.now(), id: later.id, owner: later.owner },
        ...(later.topic === undefined ? {} : { topic: later.topic }),
      };
      return await this.#start(kept, command.yaml, loaded, gateway);
    } finally {
      this.#taking = undefined;
      taken.resolve();
    }
  }

  /** @throws SluiceError config-invalid with its faults */
  #load(text: UpstreamText, secrets: boolean): Extract<Loaded, Candidate> {
    const loaded = this.#o.load(text, secrets);
    if (loaded.faults === undefined) return loaded;
    const words = `version ${text.version} has faults; nothing was changed:\n${loaded.faults.join('\n')}`;
    throw new SluiceError('config-invalid', bounded(words), { data: { faults: loaded.faults.length } });
  }

  async #start(
    kept: NonNullable<PushRecord['trial']>,
    yaml: string,
    loaded: Candidate & { readonly ran: Ran },
    gateway: Configured,
  ): Promise<Results['configure']> {
    const { clock, store } = this.#o;
    try {
      // In its turn: a change before it removes texts that no record names yet.
      const text = (): Promise<void> => store.writeText(kept.version, yaml);
      await this.#put((record) => ({ ...record, floor: kept.version, trial: kept }), text);
    } catch (thrown) {
      // The record that names the trial is there: a start would roll back what was refused. A power cut may still bring it back.
      if (thrown instanceof UnsyncedError)
        await endsWithin(
          clock,
          this.#save((record) => record),
          DISK_WAIT,
        );
      const changed = thrown instanceof UnsyncedError ? 'it is not in force' : 'nothing was changed';
      throw refused(
        `version ${kept.version} could not be kept: ${unwrittenWords(thrown)}; ${changed}; then send it with a new id`,
      );
    }
    const wait = BEFORE_TRIAL + (gateway.config.gateway.configure?.trial ?? 0);
    this.#trial = {
      ...{ kept, ran: loaded.ran, next: loaded.config, previous: gateway.config, before: gateway.health() },
      ...{ deadline: clock.monotonic() + wait, until: gateway.now() + wait },
      ...{ over: Promise.withResolvers<void>(), end: undefined },
    };
    this.#report('info', `Version ${kept.version} from ${kept.forwarder} is on trial.`, {
      version: kept.version,
      result: 'trial',
    });
    void this.#run(this.#trial, gateway);
    return { version: kept.version, state: 'trial', until: this.#trial.until };
  }

  /** From the trial to its end. Never rejects. */
  async #run(trial: Trial, gateway: Configured): Promise<void> {
    await this.#sleep(BEFORE_TRIAL);
    let why = trial.end;
    let inForce = false;
    if (why === undefined && !this.#stopped) {
      try {
        await gateway.reload(trial.next, true);
        inForce = true;
        gateway.republish();
        why = await this.#watch(trial, gateway);
      } catch (thrown) {
        why = `it could not be put in force: ${toError(thrown).message}`;
      }
    }
    // A stop says nothing about it. The record does the rest at the next start.
    if (this.#stopped) return;
    if (why === undefined) why = await this.#confirm(trial);
    if (why !== undefined) await this.#rollBack(trial, gateway, inForce, why);
    trial.over.resolve();
    gateway.republish();
  }

  /** @returns why it did not prove itself; undefined: it did */
  async #watch(trial: Trial, gateway: Configured): Promise<string | undefined> {
    for (let good = 0; ; ) {
      await this.#sleep(LOOK);
      if (this.#stopped) return undefined;
      if (trial.end !== undefined) return trial.end;
      const faults = missing(gateway.health(), trial.before, trial.kept.forwarder);
      good = faults.length === 0 ? good + 1 : 0;
      if (good >= GOOD_LOOKS) {
        let fault: string | undefined = 'the log is not written: its disk does not answer';
        const written = gateway.commit().then(
          () => {
            fault = undefined;
          },
          (thrown: unknown) => {
            fault = `the log cannot be written: ${toError(thrown).message}`;
          },
        );
        await endsWithin(this.#o.clock, written, Math.max(DISK_WAIT, trial.deadline - this.#o.clock.monotonic()));
        if (this.#stopped) return undefined;
        if (fault === undefined) return trial.end;
        faults.push(fault);
        good = 0;
      }
      if (this.#o.clock.monotonic() >= trial.deadline)
        return faults.length === 0 ? 'it did not run well for long enough' : faults.join('; ');
    }
  }

  /** @returns why it cannot be kept */
  async #confirm({ kept, ran }: Trial): Promise<string | undefined> {
    const { id: _, owner: __, topic: ___, ...current } = kept;
    const message = `Version ${kept.version} runs well and is in force.`;
    const last = outcomeOf(kept, 'confirmed', message, this.#time());
    try {
      await this.#put(({ floor }) => ({ floor, current: current satisfies Kept, last }));
    } catch (thrown) {
      return `it could not be kept: ${unwrittenWords(thrown)}`;
    }
    this.#gateway?.confirm();
    this.#trial = undefined;
    this.#aside = false;
    this.#o.ranWell(ran);
    this.#report('info', message, { version: kept.version, result: 'confirmed' });
    this.#telling?.begin(last);
    return undefined;
  }

  async #rollBack({ kept, previous }: Trial, gateway: Configured, inForce: boolean, why: string): Promise<void> {
    const message = bounded(`Version ${kept.version} was rolled back: ${why}. The configuration before it is in force.`);
    const last = outcomeOf(kept, 'rolled-back', message, this.#time());
    // First of all: a cut from here on starts with the configuration before.
    await endsWithin(
      this.#o.clock,
      this.#save(({ trial: _, ...rest }) => ({ ...rest, last })),
      DISK_WAIT,
    );
    for (let tries = 1; inForce; tries++) {
      try {
        await gateway.reload(previous);
        break;
      } catch (thrown) {
        if (this.#stopped) return;
        const error = toError(thrown);
        this.#o.logger.error({ error: error.message, tries }, 'The configuration before could not be put in force again.');
        // A start takes it from the record.
        if (tries === BACK_TRIES) return gateway.fatal(error);
        await this.#sleep(BACK_PAUSE);
      }
    }
    this.#trial = undefined;
    this.#report('warning', message, { version: kept.version, result: 'rolled-back', why: bounded(why) });
    this.#telling?.begin(last);
  }

  /** One change after the other. Rejects with the fault of the file system; then `#record` is as it was, which the disk may not be. */
  #put(change: (record: PushRecord) => PushRecord, first: () => Promise<void> = async () => {}): Promise<void> {
    const done = this.#writing.then(async () => {
      await first();
      const next = change(this.#record);
      await this.#o.store.write(next);
      this.#record = next;
    });
    this.#writing = done.catch(() => {});
    return done;
  }

  /** What cannot be written counts in this run; the next start sees what is on the disk, and a trial there is rolled back too. */
  async #save(change: (record: PushRecord) => PushRecord): Promise<void> {
    await this.#put(change).catch((thrown: unknown) => {
      this.#record = change(this.#record);
      this.#o.logger.error({ error: unwrittenWords(thrown) }, 'The record of configurations from upstream cannot be written.');
    });
  }

  #report(severity: GatewayEvent['severity'], message: string, data: NonNullable<GatewayEvent['data']>): void {
    const words = `The configuration from upstream: ${message}`;
    this.#o.logger[severity === 'info' ? 'info' : 'warn'](data, words);
    this.#gateway?.tell({ event: 'config', severity, message: words, data: { ...data, inForce: this.report().origin } });
  }

  #time(): number {
    return this.#gateway?.now() ?? 0;
  }

  #sleep(length: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    this.#cancel = this.#o.clock.after(length, resolve);
    return promise;
  }
}

function shown({ version, id, forwarder, key, outcome, message, time }: Last): LastConfigure {
  return { version, id, forwarder, ...(key !== undefined && { key }), outcome, message, time };
}
