/** How the guard ends a connection. */
import type { EndedByAedes } from '../patches/aedes.ts';
import type { Broken, Rule } from './packet-check.ts';

/** Why a connection was ended from here: a rule of MQTT, or one of this broker. */
export type Refusal =
  | ('clients' | 'requests' | 'account-requests' | 'slow' | 'displaced' | 'version' | 'publish' | 'behind')
  | ('size' | 'partial' | 'unfinished' | EndedByAedes | Rule);

export type Answered = 'version' | 'clients';

/** How a connection ends: with or without an answer. */
export type Ending =
  | { readonly refusal: Refusal; readonly words: string; readonly answer?: undefined }
  | {
      readonly refusal: Answered;
      readonly words: string;
      readonly answer: Buffer;
      readonly client?: string | undefined;
      readonly level?: number;
    };

export const TOO_MANY: Readonly<Record<'requests' | 'account-requests', Ending>> = {
  requests: { refusal: 'requests', words: 'more requests than one client may make' },
  'account-requests': { refusal: 'account-requests', words: 'more requests than the clients of one account may make' },
};

export function endingOf({ rule, words, connack }: Broken): Ending {
  if (connack === undefined) return { refusal: rule, words };
  return { refusal: connack === 1 ? 'version' : 'clients', words, answer: Buffer.from([0x20, 2, 0, connack]) };
}
