/** The state of Node-RED in words, for events and the status. */
import type { Severity } from '../core/alarm.ts';
import type { FlowEffect } from './machine.ts';
import type { Blocked } from './messages.ts';

type What = Extract<FlowEffect, { type: 'tell' }>['what'];

/** What the machine tells. @param why in words, without a full stop */
export function wordsOf(what: What, why: string): readonly [severity: Severity, message: string] {
  const words: Record<What, readonly [Severity, string]> = {
    crash: ['warning', `Node-RED ended because ${why}. It starts again.`],
    hang: ['warning', `Node-RED hangs and is ended: ${why}.`],
    refused: ['warning', `Node-RED cannot start: ${why}`],
    'safe-mode': [
      'critical',
      `Node-RED starts with its flows stopped from now on: ${why}. A deploy in the editor starts them again.`,
    ],
    'disk-full': ['critical', `The flows of Node-RED are stopped: ${why}. They start again when there is room.`],
    'disk-room': ['info', 'The disk has room again. The flows of Node-RED start.'],
    held: [
      'critical',
      `Node-RED starts with its flows stopped: ${why}. Bring back earlier flows (sluice flows undo), or deploy others in the editor.`,
    ],
    'safe-mode-left': ['info', 'A deploy started the flows again. Node-RED has left safe mode.'],
    running: ['info', 'Node-RED is ready.'],
  };
  return words[what];
}

/** Node-RED starts none of its flows while one of them needs what is not there. */
export function blockedWords(blocked: Blocked | undefined): string | undefined {
  if (blocked === undefined) return undefined;
  const names = blocked.names.join(', ');
  if (blocked.missing === 'modules')
    return `these npm modules are missing: ${names}; deploy flows without them, or set nodeRed.allow.modules`;
  const other = blocked.names.includes('exec')
    ? 'set nodeRed.allow.exec for the exec node'
    : 'install the palette that brings them';
  return `these types of nodes are missing: ${names}; deploy flows without them, or ${other}`;
}
