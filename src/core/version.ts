/** The version of package.json; a test holds them equal. */
export const VERSION = '0.1.0';
/** No clock of a board that runs this software can rightly be earlier (contract, rule 8). Moved with each release. */
export const BUILT = Date.UTC(2026, 10, 1);
/** No such clock can rightly be later: 19 years are less than the 1024 weeks after which the week counter of a GPS begins anew. */
export const BELIEVED_UNTIL = BUILT + 19 * 365.25 * 86_400_000;
