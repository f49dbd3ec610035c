/** The package as npm knows it. It is publishable on its own, and runs in any Node-RED 5 beside a gateway. */
export const NAME = 'node-red-contrib-sluice';
export const VERSION = '0.1.0';
export const DESCRIPTION = 'Readings, alarms, history and writes of a Sluice edge gateway in Node-RED';
/** The oldest that it works with. */
export const NODE_RED = '>=5.0.0';
export const NODE = '>=18.5';
