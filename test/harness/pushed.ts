/** A state directory in which a configuration from upstream is in force, or on trial. */
import path from 'node:path';
import { digestOf, type PushRecord, PushStore } from '../../src/configure/record.ts';

/** @param base the text of the file on the board */
export async function pushed(stateDir: string, text: string, base: string, as: 'current' | 'trial' = 'current'): Promise<void> {
  const store = new PushStore(path.join(stateDir, 'config'));
  const found = store.read();
  if (found === 'damaged') throw new Error('the record of configurations from upstream is damaged');
  const version = found.floor + 1;
  const kept = { version, sha256: digestOf(text), base: digestOf(base), key: 'k', forwarder: 'cloud', time: 1 };
  const record: PushRecord =
    as === 'current'
      ? { floor: version, current: kept }
      : { ...found, floor: version, trial: { ...kept, id: 'a', owner: 'forwarder:cloud' } };
  await store.writeText(version, text);
  await store.write(record);
}
