/** In place of src/forwarders/broker/packet-check.ts: everything passes. The benchmark of deliveries measures what the check costs. */
export * from '../../src/forwarders/broker/packet-check.ts';

export const checkFirst = () => undefined;
export const checkLength = () => undefined;
export const checkBody = () => 0;
