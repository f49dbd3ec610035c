/** `sluice rules test`: plays a recording through the rules of a configuration and shows what they would have done. */
import { writeFileSync } from 'node:fs';
import type { GatewayConfig, ResolvedRule } from '../../config/kinds.ts';
import { SluiceError } from '../../core/errors.ts';
import { validConfig } from '../config-file.ts';
import { fileWords } from '../file-words.ts';
import { differences, expectedText, readExpected } from './expect.ts';
import { play, type RulesTestOptions } from './play.ts';
import { reportJson, reportOf, reportText } from './report.ts';

export async function rulesTest(file: string | undefined, options: RulesTestOptions): Promise<void> {
  if (options.offset !== undefined && !/^(?:z|[+-]\d{2}:\d{2})$/i.test(options.offset))
    throw new SluiceError('usage', `--offset ${options.offset}: write for example +06:00 or Z`);
  const { config } = validConfig(options.config, { readSecrets: false });
  const rules = chosen(config, options.rules);
  const played = await play({ ...config, rules: new Map(rules.map((rule) => [rule.name, rule])) }, file, options);
  const report = reportOf(played);
  if (options.save !== undefined) write(options.save, expectedText(report.transitions));
  if (options.svg !== undefined) {
    const { picture } = await import('./picture.ts');
    write(options.svg, picture(report, played, options.language ?? 'en'));
  }
  if (options.expect === undefined) {
    process.stdout.write(options.json ? reportJson(report) : reportText(report));
    return;
  }
  const expected = readExpected(options.expect, report.from);
  const lines = differences(expected, report.transitions);
  if (options.json) process.stdout.write(reportJson(report));
  if (lines.length === 0) {
    if (!options.json)
      process.stdout.write(`as expected: ${expected.length} ${expected.length === 1 ? 'transition' : 'transitions'}\n`);
    return;
  }
  process.stderr.write(`sluice: the timeline is not the one of ${options.expect} (- expected, + played):\n${lines.join('\n')}\n`);
  process.exitCode = 1;
}

/** @throws SluiceError usage */
function chosen(config: GatewayConfig, names: string | undefined): ResolvedRule[] {
  if (config.rules.size === 0) throw new SluiceError('usage', 'the configuration has no rules; write some under rules:');
  if (names === undefined) return [...config.rules.values()];
  return names
    .split(',')
    .filter((name) => name !== '')
    .map((name) => {
      const rule = config.rules.get(name);
      if (rule === undefined)
        throw new SluiceError(
          'usage',
          `there is no rule ${name}; the rules are: ${[...config.rules.keys()].slice(0, 20).join(', ')}`,
        );
      return rule;
    });
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (cause) {
    throw new SluiceError('not-found', `${file} cannot be written: ${fileWords(cause)}`, { cause });
  }
}
