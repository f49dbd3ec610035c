import type { YAMLError } from 'yaml';

export const NO_ANCHOR = 'there is no anchor (&name) before this alias (*name); put text that begins with * in quotes';

/** Words that stand in the names of secrets, and the sign before the host of an address with a password. */
const SECRET = /pass|secret|token|key|code|credential|psk|phrase|@/i;

/** A key and its value, as a message may show them: messages go to logs, to the card and upstream. */
export function shownPair(key: string, value: string): string {
  return `"${`${key}: ${shownValue(key, value)}`.trim()}"`;
}
export const shownValue = (key: string, value: string): string => (isSecret(`${key} ${value}`) ? '…' : value);
/** Whether a text may have a secret in it. */
export const isSecret = (text: string): boolean => SECRET.test(text);

/** Words for the errors of the YAML library, for a person who indents with spaces for the first time. */
const WORDS: Partial<Record<YAMLError['code'], string>> = {
  ALIAS_PROPS: 'an alias (*name) cannot have & or ! before it; remove them',
  BAD_ALIAS: NO_ANCHOR,
  BAD_COLLECTION_TYPE: 'the word with ! before this does not fit; remove it',
  BAD_DIRECTIVE: 'a line that begins with % means nothing here; remove it',
  BAD_DQ_ESCAPE: 'a backslash in "double quotes" needs to be written twice; or use \'single quotes\'',
  BAD_INDENT: 'the indentation does not fit the lines above; lines of one section begin in the same column',
  BAD_PROP_ORDER: 'a word with & or ! is in the wrong place; write it right before the value',
  BAD_SCALAR_START: 'text that begins with this sign must be put in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a second ": " on one line; put the text in quotes, or begin a new line',
  BLOCK_IN_FLOW: 'a list item with "-" cannot stand inside { } or [ ]',
  IMPOSSIBLE: 'this cannot be read as YAML',
  KEY_OVER_1024_CHARS: 'this key is far too long; is a quote or a bracket missing?',
  MISSING_CHAR: 'something is missing here',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line; is a ":" or a quote missing?',
  MULTIPLE_ANCHORS: 'one value can have only one anchor (&name)',
  MULTIPLE_DOCS: 'a second document begins here (---); one file is one configuration, remove the line',
  MULTIPLE_TAGS: 'one value can have only one word with !',
  NON_STRING_KEY: 'a key must be a word',
  RESOURCE_EXHAUSTION: 'the brackets or indents are nested too deeply to be read',
  TAB_AS_INDENT: 'a tab cannot indent a line; use spaces',
  TAG_RESOLVE_FAILED: 'a word that begins with ! has no meaning here; put it in quotes, or remove it',
  UNEXPECTED_TOKEN: 'this does not belong here; is a quote, a bracket or a ":" missing before it?',
};

/** A line such as `severity:warning`: a key whose colon YAML takes for a letter. @returns what to write; undefined: it is another fault */
function gluedKey(text: string, offset: number): string | undefined {
  const begin = text.lastIndexOf('\n', Math.max(0, offset - 1)) + 1;
  const line = text.slice(begin).split('\n', 1)[0] ?? '';
  const [, key, value] = /^\s*([A-Za-z]\w*):(\S.*?)\s*$/.exec(line) ?? [];
  return key === undefined || value === undefined || value.startsWith('/') ? undefined : shownPair(key, value);
}

/** What stands on the line before a place. */
const keyBefore = (text: string, offset: number): string =>
  text.slice(text.lastIndexOf('\n', Math.max(0, offset - 1)) + 1, offset);

export function explainYaml(error: YAMLError, text: string): string {
  const offset = error.pos[0];
  if (error.code === 'BAD_SCALAR_START' && text[offset] !== undefined)
    return `text that begins with ${text[offset]} must be put in quotes`;
  if (error.code === 'TAG_RESOLVE_FAILED') {
    const tag = /![\w-]+/.exec(error.message)?.[0];
    if (tag === '!secret') return '!secret is not used here; a secret is written {file: …} or {env: …}';
    if (tag !== undefined && isSecret(keyBefore(text, offset))) return 'text that begins with ! must be put in quotes';
    if (tag !== undefined) return `${tag} is not used here; write the value itself, or put the text in quotes`;
  }
  if (error.code === 'BLOCK_IN_FLOW' && !/^-\s/.test(text.slice(offset, offset + 2)))
    return 'inside { } and [ ] a comma stands between two entries; is one missing here?';
  const bracket = /end with an? (\S)/.exec(error.message)?.[1];
  if (bracket) return `a closing ${bracket} is missing before this`;
  if (error.code === 'MISSING_CHAR') {
    // The library knows which sign it wants; nothing else in its sentence helps a technician.
    const quote = /closing (['"])quote/.exec(error.message)?.[1];
    if (quote) return `the text that begins here lacks its closing ${quote}`;
    if (/,/.test(error.message)) return 'a comma is missing between two entries';
    if (/space/.test(error.message)) return 'a space is missing here';
    const glued = gluedKey(text, offset);
    if (glued !== undefined) return `a space is missing after the colon; write ${glued}`;
    if (/:/.test(error.message)) return 'a ":" and a value are missing after this key';
  }
  return WORDS[error.code] ?? 'this cannot be read as YAML';
}
