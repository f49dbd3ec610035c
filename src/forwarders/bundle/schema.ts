/** What a person writes for bundles: the key of the platform. */
import * as z from 'zod';
import { platformKey } from '../../codecs/bundle/keys.ts';
import { purposeKey } from '../../config/privacy-keys.ts';

const WORDS = 'write the key of the platform: sluice-platform-1:… (sluice platform show prints it)';

/** The public key of the platform that bundles of a forwarder are encrypted to. */
export function platformSchema() {
  return z
    .string({ error: WORDS })
    .refine((text) => platformKey(text) !== undefined, { error: WORDS })
    .describe(
      'Public key of the platform, as `sluice platform show` prints it. Bundles of this forwarder are encrypted to it, and receipts have to be signed with it.',
    );
}

export const bundleForwarderSchema = z.strictObject({
  platform: platformSchema(),
  purpose: purposeKey(),
  from: z
    .enum(['oldest', 'now'])
    .prefault('oldest')
    .describe('Where a new forwarder starts: with the oldest kept reading, or with new readings only.'),
});

export type BundleForwarderSettings = z.output<typeof bundleForwarderSchema>;
