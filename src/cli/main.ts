/** The command line. Each command is a file of its own, loaded only when it is called. */
import { checkNode } from './require-node.ts';

checkNode();

const { program } = await import('./program.ts');
await program().parseAsync();
