/** How the guard ends a connection. */
import type { EndedByAedes } from '../patches/aedes.ts';
import type { Broken, Rule } from './packet-check.ts';
import type { TooMany } from './requests.ts';

/** Why a connection was ended from here: a rule of MQTT, or one of this broker. */
export type Refusal =
  | ('clients' | 'slow' | 'displaced' | 'version' | 'publish' | 'behind' | 'size' | 'partial' | 'unfinished')
  | (TooMany | EndedByAedes | Rule);

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

export const TOO_MANY: Readonly<Record<TooMany, Ending>> = {
  requests: { refusal: 'requests', words: 'more requests than one client may make' },
  'account-requests': { refusal: 'account-requests', words: 'more requests than the clients of one account may make' },
  'address-requests': { refusal: 'address-requests', words: 'more than one address may ask for without an account' },
  'all-requests': { refusal: 'all-requests', words: 'more requests than all clients may make, and most of them by its account' },
};

export function endingOf({ rule, words, connack }: Broken): Ending {
  if (connack === undefined) return { refusal: rule, words };
  return { refusal: connack === 1 ? 'version' : 'clients', words, answer: Buffer.from([0x20, 2, 0, connack]) };
}
