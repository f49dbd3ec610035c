/**
 * Writes the generated pages of docs/reference: gateway.schema.json and configuration.md from the schema of the configuration,
 * openapi.json and http-api.md from the table of routes, asyncapi.json from the table of topics, palette.md from the descriptions
 * of the nodes. Run it after a change there.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { topicsDescription } from '../src/admin/asyncapi/description.ts';
import { description } from '../src/admin/openapi/description.ts';
import { apiPage } from '../src/admin/openapi/page.ts';
import { ROUTES } from '../src/admin/routes/table.ts';
import { configJsonSchema } from '../src/config/json-schema.ts';
import { referencePage } from '../src/config/reference.ts';
import { kinds } from '../src/gateway/registry.ts';
import { provisioningJsonSchema, provisioningPage } from '../src/provisioning/reference.ts';
import { referencePage as palettePage } from './palette/page.ts';

const root = path.join(import.meta.dirname, '..');
const example = readFileSync(path.join(root, 'test/cases/config/gateway.example.yaml'), 'utf8');
const api = description(ROUTES);
const pages: Readonly<Record<string, string>> = {
  'gateway.schema.json': `${JSON.stringify(configJsonSchema(kinds), null, 2)}\n`,
  'configuration.md': referencePage(kinds, example),
  'openapi.json': `${JSON.stringify(api, null, 2)}\n`,
  'http-api.md': apiPage(api),
  'asyncapi.json': `${JSON.stringify(topicsDescription(), null, 2)}\n`,
  'palette.md': palettePage(),
  'provisioning.md': provisioningPage(readFileSync(path.join(root, 'packaging/card/sluice.yaml'), 'utf8')),
  'provisioning.schema.json': `${JSON.stringify(provisioningJsonSchema(), null, 2)}\n`,
};
for (const [file, text] of Object.entries(pages)) writeFileSync(path.join(root, 'docs/reference', file), text);
console.log(`${Object.keys(pages).join(', ')} of docs/reference are up to date`);
