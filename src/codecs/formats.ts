/** The table of payload formats. A new format is one file here and one line in FORMATS. */
import type { PayloadFormat } from './format.ts';
import { json } from './format-json.ts';

export const FORMATS: Readonly<Record<string, PayloadFormat>> = { json };
