/** The command line. Each command is a file of its own, loaded only when it is called. */
import './require-node.ts';

const { program } = await import('./program.ts');
await program().parseAsync();
