/** The forwarder type `bundle`, for a site without a network. */
import type { MadeForwarderKind } from '../forwarder-kind.ts';
import { BundleForwarder } from './bundle-forwarder.ts';
import { type BundleForwarderSettings, bundleForwarderSchema } from './schema.ts';

export const bundleForwarder: MadeForwarderKind = {
  type: 'bundle',
  forwarder: bundleForwarderSchema,
  destination: ({ platform }) => `bundles to ${String(platform)}`,
  create: ({ name, settings }, context) =>
    new BundleForwarder({ ...context, name, settings: settings as unknown as BundleForwarderSettings }),
};
