/** The program of sluice-hook@.service (systemd/). It is apart from the command line, which takes ten times as long to load. */
import { main } from '../control/actions/hook-runner.ts';

await main();
