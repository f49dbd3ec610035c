/** The reference page of `sluice.yaml` and its JSON Schema, both from schema.ts. */
import { entryLines } from '../config/add-entries.ts';
import { type JsonSchema, toJson } from '../config/json-schema.ts';
import { table } from '../config/reference.ts';
import { busSchema, PRESETS, provisioningSchema, SECRET_PATHS } from './schema.ts';

export function provisioningJsonSchema(): JsonSchema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Sluice provisioning file (sluice.yaml)',
    ...toJson(provisioningSchema),
  };
}

/** @param example the file of the packages, which tests run */
export function provisioningPage(example: string): string {
  const { buses: _, ...properties } = toJson(provisioningSchema).properties ?? {};
  const presets = Object.entries(PRESETS).map(
    ([name, keys]) =>
      `| \`${name}\` | ${entryLines(keys, 0)
        .split('\n')
        .map((line) => `\`${line}\``)
        .join(', ')} |`,
  );
  return `<!-- Generated from the schema by scripts/generate-docs.ts; do not edit. -->
# sluice.yaml on the card

This page lists every key of \`sluice.yaml\`, the file on the boot partition of a card. It is for people who prepare cards.
[From an empty card to the first reading](../how-to/prepare-a-card.md) shows the steps.

The file has at most 64 kB. Its name may be written in capitals, and may end in \`.yml\`, \`.yaml.txt\` or \`.txt\`. UTF-8 and UTF-16 are
understood, with any line ends. The gateway erases ${SECRET_PATHS.map((at) => `\`${at.join('.')}\``).join(', ')} from the file, and writes
\`xxxxxxxx\` in their place. A value of that form keeps the secret in force.

${table({ ...toJson(provisioningSchema), properties }).join('\n')}

## buses

One entry for each wire. The key is its name.

${table(toJson(busSchema)).join('\n')}

Each other key of a bus is a key of [buses in the configuration](configuration.md#buses), for example \`port\`, \`host\` or \`baudRate\`.
Each key of a device is a key of [devices in the configuration](configuration.md#devices).

| preset | what it stands for |
|---|---|
${presets.join('\n')}

## Example

\`\`\`yaml
${example.trimEnd()}
\`\`\`
`;
}
