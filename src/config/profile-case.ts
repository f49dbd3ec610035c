/** The golden case of a profile: bytes of a device, and the readings that its documentation says they are. */
import * as z from 'zod';
import { check, placeOf } from './checker.ts';
import type { Fault } from './fault.ts';
import type { YamlSource } from './yaml-source.ts';
import { readYamlFile } from './yaml-source.ts';

const HEX = /^\s*([0-9a-fA-F]{2}\s*)+$/;
const hex = () =>
  z.string('bytes are written in hexadecimal, in quotes: "43 66"').regex(HEX, 'bytes are written in hexadecimal: 43 66 33 34');
const value = z.union([z.number(), z.string(), z.boolean()]);

const oneCase = z
  .strictObject({
    name: z.string().min(1).describe('A short text about the purpose of the case.'),
    tolerance: z
      .number()
      .min(0)
      .max(0.01)
      .default(0)
      .describe('For rounded documentation: the largest difference, as a part of the value.'),
    registers: z
      .record(z.string(), z.record(z.string().regex(/^(\d+|0x[0-9a-fA-F]+)$/, 'the number of a register'), hex()))
      .optional()
      .describe('For a Modbus device: table, first register, bytes. Points without registers here are not read.'),
    frames: hex().optional().describe('For a serial device: the bytes that it sends.'),
    messages: z
      .array(
        z.strictObject({
          topic: z
            .string()
            .min(1)
            .default('{topic}')
            .describe('Its topic. `{topic}` is the topic of the device, and the default.'),
          payload: z.string().describe('Its content.'),
          retained: z.boolean().default(false).describe('The broker had kept it from before.'),
        }),
      )
      .min(1)
      .optional()
      .describe('For a device that speaks MQTT: the messages that it publishes.'),
    text: z.string().optional().describe('For a device that sends lines: the lines. Each ends with CR LF.'),
    readings: z.record(z.string(), value).describe('Point and value, in its unit. Write a whole number of 64 bits as text.'),
    bad: z.record(z.string(), z.string()).default({}).describe('Points without a value, and the reason.'),
    uncertain: z.record(z.string(), z.string()).default({}).describe('Points with a doubtful value, and the reason.'),
  })
  .refine(
    (written) =>
      [written.registers, written.frames, written.text, written.messages].filter((part) => part !== undefined).length === 1,
    {
      path: ['readings'],
      message:
        'a case has one of `registers` (Modbus), `frames` (serial, hexadecimal), `text` (serial, lines) and `messages` (MQTT)',
    },
  );

const caseSchema = z.strictObject({
  profile: z.string().describe('The name of the profile.'),
  source: z
    .string()
    .min(20)
    .describe('Where bytes and values come from, with a calculation that a reader can repeat. Never use our decoders for it.'),
  cases: z.array(oneCase).min(1),
});

export type ProfileCases = z.output<typeof caseSchema>;
export type ProfileCase = ProfileCases['cases'][number];

/** Never throws. `cases` is absent when the file has a fault. */
export function readProfileCases(file: string): { source: YamlSource; cases?: ProfileCases | undefined; faults: Fault[] } {
  const source = readYamlFile(file);
  const faults: Fault[] = [...source.faults];
  if (faults.length > 0) return { source, faults };
  const cases = check(caseSchema, source.value, placeOf(source, []), (fault) => faults.push(fault));
  return { source, cases, faults };
}
