/** What clients compare: the authority of the gateway stays when its certificates are renewed. */
import path from 'node:path';
import { AUTHORITY_FILE, TLS_FOLDER } from '../access/tls/certificates.ts';
import { certificateOf, MOST_PEM } from '../access/tls/identity.ts';
import { readSmall } from '../disk/durable.ts';

/** SHA-256, `AB:CD:…`; undefined: there is none yet, this user may not read it, or the file holds no authority. */
export function authorityFingerprintOf(stateDir: string): string | undefined {
  const text = readSmall(path.join(stateDir, TLS_FOLDER, AUTHORITY_FILE), MOST_PEM)?.toString('latin1');
  if (text === undefined) return undefined;
  try {
    const authority = certificateOf(text);
    return authority.ca ? authority.fingerprint256 : undefined;
  } catch {
    return undefined;
  }
}
