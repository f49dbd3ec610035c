/** The version of package.json; a test holds them equal. */
export const VERSION = '0.1.0';
/** No clock of a board that runs this software can rightly be earlier (contract, rule 8). Moved with each release. */
export const BUILT = Date.UTC(2026, 10, 1);
