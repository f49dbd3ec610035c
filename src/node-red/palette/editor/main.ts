/** The one script of the palette in the editor: the page of each node calls `sluicePalette.register` with its description. */
import { register } from './register.ts';

Object.assign(globalThis, { sluicePalette: { register } });
