/**
 * Called before anything else is loaded: under an older Node the SQLite binding ends the process with a segmentation fault and
 * not one word. bin/sluice finds the right Node by itself; this is for those who start dist/cli/main.js by hand.
 */
const NEEDED = 24;

export function nodeRefusal(version: string): string | undefined {
  const major = Number.parseInt(version.replace(/^v/, ''), 10);
  if (major >= NEEDED) return undefined;
  return `sluice: needs Node ${NEEDED} or newer, and this is ${version}. Start it as "sluice" (bin/sluice), which brings its own Node.`;
}

/** Ends the process with words under an older Node. */
export function checkNode(): void {
  const refusal = nodeRefusal(process.version);
  if (refusal === undefined) return;
  process.stderr.write(`${refusal}\n`);
  process.exit(1);
}
