/**
 * Loaded into a gateway with `--import`: the C library of koffi has one GPIO chip, /dev/null, with eight lines. Each switching is a line of
 * the file SLUICE_TEST_GPIO: `active` or `inactive`. Line 5 belongs to an LED. The file SLUICE_TEST_GPIO with `.fail` behind its name makes
 * the next switching fail, and with `.stuck` the bytes of ports stay where they are. Ports say nothing of their transmitters.
 */
import { appendFileSync, existsSync, openSync, rmSync } from 'node:fs';
import { registerHooks } from 'node:module';
import {
  GPIO_GET_CHIPINFO,
  GPIO_V2_GET_LINE,
  GPIO_V2_GET_LINEINFO,
  GPIO_V2_LINE_SET_VALUES,
} from '../../src/drivers/transceiver/kernel-calls.ts';

const FILE = process.env.SLUICE_TEST_GPIO ?? '';
const CODES = { EBUSY: 16, EINVAL: 22, ENOTTY: 25, EIO: 5 };
let errno = 0;
const refuse = (code: keyof typeof CODES): number => {
  errno = CODES[code];
  return -1;
};

function ioctl(_fd: number, request: number, _type: string, value: Uint8Array): number {
  const view = new DataView(value.buffer);
  switch (request) {
    case GPIO_V2_GET_LINE: {
      const line = view.getUint32(0, true);
      if (line === 5) return refuse('EBUSY');
      if (line > 7) return refuse('EINVAL');
      appendFileSync(FILE, `taken ${line}\n`);
      view.setInt32(588, openSync('/dev/null', 'r'), true);
      return 0;
    }
    case GPIO_GET_CHIPINFO:
      view.setUint32(64, 8, true);
      return 0;
    case GPIO_V2_GET_LINEINFO:
      value.set(new TextEncoder().encode('ACT'), 32);
      return 0;
    case GPIO_V2_LINE_SET_VALUES:
      if (existsSync(`${FILE}.fail`)) {
        rmSync(`${FILE}.fail`);
        return refuse('EIO');
      }
      appendFileSync(FILE, view.getBigUint64(0, true) === 1n ? 'active\n' : 'inactive\n');
      return 0;
    // TIOCOUTQ
    case 0x5411:
      view.setUint32(0, existsSync(`${FILE}.stuck`) ? 8 : 0, true);
      return 0;
    default:
      return refuse('ENOTTY');
  }
}

const { default: real } = await import('koffi');
const FAKES: Readonly<Record<string, unknown>> = {
  ioctl,
  fcntl: (fd: number) => openSync(`/proc/self/fd/${fd}`, 'r+'),
};
Object.assign(globalThis, {
  sluiceFakeKoffi: {
    load(name: string | null) {
      const library = real.load(name);
      return { func: (declaration: string) => FAKES[/(\w+)\(/.exec(declaration)?.[1] ?? ''] ?? library.func(declaration) };
    },
    errno: () => errno,
  },
});

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'koffi'
      ? { url: 'data:text/javascript,export default globalThis.sluiceFakeKoffi', shortCircuit: true }
      : next(specifier, context),
});
