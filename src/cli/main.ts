/** The command line. Each command is a file of its own, loaded only when it is called. */
import { checkNode } from './require-node.ts';

checkNode();

const [{ program }, { failed }] = await Promise.all([import('./program.ts'), import('./exit.ts')]);
try {
  await program().parseAsync();
} catch (thrown) {
  failed(thrown);
}
