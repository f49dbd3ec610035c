/** Files of flows that people bring to `sluice flows import`. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { flowsImport } from '../../../src/cli/flows.ts';
import { scratch } from '../../harness/scratch.ts';

test('a file of flows may begin with the mark of an editor; another file is refused', async (t) => {
  const dir = scratch(t, 'flows');
  const file = path.join(dir, 'flows.json');
  const options = { config: '', socket: path.join(dir, 'none.sock') };
  for (const text of ['[]', '\ufeff[]']) {
    writeFileSync(file, text);
    await assert.rejects(flowsImport(file, options), /no gateway is running here/);
  }
  writeFileSync(file, '<html>');
  await assert.rejects(flowsImport(file, options), /it is not JSON; in the editor choose Export/);
  await assert.rejects(flowsImport(`${file}x`, options), /cannot be imported: there is no such file or folder$/);
});
