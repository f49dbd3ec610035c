/** What is asked of the field from outside, on its way to the bus. Nothing is done that no event tells of. */
import type { GatewayConfig } from '../config/kinds.ts';
import { SluiceError } from '../core/errors.ts';
import type { CommandTarget, Field, WriteRequest, WriteResult } from '../core/ports.ts';
import { type AuditOptions, WriteAudit } from './write-audit.ts';

export interface CommandsOptions extends AuditOptions {
  readonly field: Field;
  readonly config: () => GatewayConfig;
}

export class Commands implements CommandTarget {
  readonly #o: CommandsOptions;
  readonly #audit: WriteAudit;
  #stopped = false;

  constructor(options: CommandsOptions) {
    this.#o = options;
    this.#audit = new WriteAudit(options);
  }

  async write(request: WriteRequest): Promise<WriteResult> {
    try {
      const result = await this.#write(request);
      this.#audit.done(request, result);
      return result;
    } catch (thrown) {
      this.#audit.refused(request, thrown);
      throw thrown;
    }
  }

  /** From now on everything is refused: what the gateway sets last stays. */
  stop(): void {
    this.#stopped = true;
  }

  /** What is only counted so far is told. */
  flush(): void {
    this.#audit.flush();
  }

  async #write({ point: target, value }: WriteRequest): Promise<WriteResult> {
    if (this.#stopped) throw new SluiceError('not-running', 'the gateway is stopping; nothing was written');
    const [device = '', point = '', ...rest] = target.split('.');
    const known = this.#o.config().devices;
    if (point === '' || rest.length > 0)
      throw new SluiceError('not-found', `${target.slice(0, 140)} is no point: it is written device.point`);
    const bus = this.#o.field.busOf(device);
    if (bus === undefined)
      throw new SluiceError('not-found', `there is no device ${device}; the devices are: ${[...known.keys()].join(', ')}`);
    if (bus.write === undefined)
      throw new SluiceError(
        'write-refused',
        `${target}: devices on the bus ${bus.name} only talk, nothing can be written to them`,
      );
    const written = await bus.write(device, point, value);
    const points = bus.shapes.filter((s) => s.device === device).flatMap((s) => s.points);
    const info = points.find((p) => p.name === point);
    return { ...written, point: target, type: info?.type, unit: info?.unit };
  }
}
