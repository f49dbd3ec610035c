/** Which of the errors of the YAML library a person has to mend. */
import type { Document, YAMLError } from 'yaml';
import { visit } from 'yaml';
import { lineFault } from './yaml-lines.ts';
import { explainYaml } from './yaml-words.ts';

const MAX_YAML_FAULTS = 20;
/** Behind such an error the text is read wrongly, so only the first is reported. */
const LOST: ReadonlySet<YAMLError['code']> = new Set<YAMLError['code']>([
  'TAB_AS_INDENT',
  'BAD_INDENT',
  'BLOCK_AS_IMPLICIT_KEY',
  'MULTILINE_IMPLICIT_KEY',
  'BLOCK_IN_FLOW',
  'MISSING_CHAR',
  'UNEXPECTED_TOKEN',
  'IMPOSSIBLE',
  'KEY_OVER_1024_CHARS',
  'BAD_COLLECTION_TYPE',
  'BAD_PROP_ORDER',
  'RESOURCE_EXHAUSTION',
]);

/** Errors that follow from another one are left out. */
export function yamlFaults(doc: Document, text: string): { offset: number; message: string }[] {
  const errors = [...doc.errors, ...doc.warnings].sort((a, b) => a.pos[0] - b.pos[0]);
  const [lost] = errors.filter(({ code }) => LOST.has(code));
  const tabs = errors.filter(({ code }) => code === 'TAB_AS_INDENT');
  const own = errors.filter((error) => !LOST.has(error.code)).slice(0, MAX_YAML_FAULTS);
  const faults = own.map((error) => ({ offset: quoteBefore(doc, error) ?? error.pos[0], message: explainYaml(error, text) }));
  if (lost === undefined) return faults;
  const before = faults.filter(({ offset }) => offset < lost.pos[0]);
  // A quote or bracket that was never closed, a wrong sign: what comes behind is read wrongly.
  if (before.length > 0) return before;
  const lines = text.split(/\r?\n/);
  const starts = [0];
  for (let i = text.indexOf('\n'); i !== -1; i = text.indexOf('\n', i + 1)) starts.push(i + 1);
  const tab = tabs[0];
  // An editor that indents with tabs does so in every line: that is one fault.
  if (tab !== undefined && tabs.length > 1)
    return [{ offset: tab.pos[0], message: `${tabs.length} lines begin with a tab, which cannot indent a line; use spaces` }];
  const line = starts.findLastIndex((start) => start <= lost.pos[0]);
  const odd = tab === undefined ? lineFault(lines, line) : undefined;
  if (odd !== undefined) return [{ offset: (starts[odd.line] ?? 0) + odd.column, message: odd.message }];
  return [{ offset: quoteBefore(doc, lost) ?? lost.pos[0], message: explainYaml(lost, text) }];
}

/** A quote that was never closed is reported where it was opened, not at the end of the file. */
function quoteBefore(doc: Document, error: YAMLError): number | undefined {
  if (error.code !== 'MISSING_CHAR' || !error.message.includes('quote')) return undefined;
  let start: number | undefined;
  visit(doc, {
    Scalar: (_, node) => {
      const quoted = node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE';
      if (quoted && node.range && node.range[0] <= error.pos[0] && node.range[2] >= error.pos[0]) start = node.range[0];
    },
  });
  return start;
}
