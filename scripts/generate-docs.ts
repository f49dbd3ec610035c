/** Writes docs/reference/gateway.schema.json and docs/reference/configuration.md from the schema of the configuration. Run it after a change there. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { configJsonSchema } from '../src/config/json-schema.ts';
import { referencePage } from '../src/config/reference.ts';
import { kinds } from '../src/gateway/registry.ts';

const root = path.join(import.meta.dirname, '..');
const example = readFileSync(path.join(root, 'test/cases/config/gateway.example.yaml'), 'utf8');
writeFileSync(path.join(root, 'docs/reference/gateway.schema.json'), `${JSON.stringify(configJsonSchema(kinds), null, 2)}\n`);
writeFileSync(path.join(root, 'docs/reference/configuration.md'), referencePage(kinds, example));
console.log('docs/reference/gateway.schema.json and docs/reference/configuration.md are up to date');
