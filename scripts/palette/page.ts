/** docs/reference/palette.md and the README of the package, from the one description of the nodes. */
import * as about from '../../src/node-red/palette/about.ts';
import { SHEETS } from '../../src/node-red/palette/sheets/all.ts';
import { type Field, type Property, type Sheet, STATUSES } from '../../src/node-red/palette/sheets/sheet.ts';

/** The help is HTML; pages are Markdown. */
const plain = (html: string): string =>
  html
    .replaceAll(/<\/?code>/g, '`')
    .replaceAll(/<\/?b>/g, '**')
    .replaceAll(/\|/g, '\\|');

export function referencePage(): string {
  return `# Palette

This page lists the nodes of \`${about.NAME}\`, their properties and their messages. It is for people who make flows. The
gateway's Node-RED has these nodes. [Switch on Node-RED](../how-to/switch-on-node-red.md) shows how to start it.

All nodes share one connection to the gateway. Each shows the connection as its status. A node keeps its choices while the
gateway is away or a point has another name. It works again when they are back.

Points are written as \`device.point\`. A text property may hold environment variables: \`\${ROOM}.temperature\`. In patterns \`*\`
stands for any text. Times are UTC milliseconds.

| status | means |
|---|---|
| green dot, ${says('connected')} | The node works. |
| yellow ring, ${says('connecting')} | The first connection is being made. |
| red ring, ${says('disconnected')} | There is no connection. The node connects again by itself. |
| red ring, ${says('no gateway')} | No gateway is chosen, or its socket or token is missing. |
| yellow dot, ${says('throttled')} | Readings or messages were left out in the last five seconds. |
| yellow ring, ${says('unknown point')}, ${says('unknown rule')} | The gateway has no such point or rule now. |
| red ring, ${says('no point')}, ${says('no rule')}, ${says('wrong point')}, ${says('wrong property')} | A property of the node is missing or wrong. The debug sidebar shows what. |
| red ring, ${says('too many')}, ${says('refused')} | The gateway does not take the subscription. |

| node | does |
|---|---|
${SHEETS.map((sheet) => `| [${sheet.label.en}](#${anchor(sheet)}) | ${plain(sheet.summary.en)} |`).join('\n')}

${SHEETS.map(section).join('\n')}`;
}

const says = (status: string): string => `*${STATUSES[status]?.en ?? status}*`;
const anchor = ({ label }: Sheet): string => label.en.replaceAll(' ', '-');

function section(sheet: Sheet): string {
  return [
    `## ${sheet.label.en}\n\nType \`${sheet.type}\`. ${plain(sheet.summary.en)}\n`,
    `| property | key, default | meaning |\n|---|---|---|\n${sheet.properties.map(property).join('\n')}\n`,
    messages('A message to it', sheet.takes),
    messages('A message from it', sheet.sends),
    ...sheet.details.map((one) => `${plain(one.en)}\n`),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function property({ key, value, control, label, help }: Property): string {
  const shown = `\`${key}\` \`${JSON.stringify(value)}\``;
  const more =
    control.kind === 'typed'
      ? `; \`${key}Type\` \`"${control.type}"\`${control.unit === undefined ? '' : `; \`${key}Unit\` \`"${control.unit}"\``}`
      : control.kind === 'time'
        ? `; \`${key}Unit\` \`"${control.unit}"\``
        : control.kind === 'secret'
          ? ' (credential)'
          : '';
  const choices =
    control.kind === 'select' || control.kind === 'checks'
      ? ` Values: ${Object.keys(control.options)
          .map((one) => `\`${one}\``)
          .join(', ')}.`
      : control.kind === 'typed'
        ? ` Types: ${control.types.map((one) => `\`${one}\``).join(', ')}.`
        : control.kind === 'time'
          ? ` Empty: ${control.empty.en}.`
          : '';
  return `| ${label.en} | ${shown}${more} | ${plain(help.en)}${choices} |`;
}

function messages(title: string, fields: readonly Field[]): string {
  if (fields.length === 0) return '';
  const rows = fields.map(
    ({ key, type, help, optional }) =>
      `| \`msg.${key}\` | ${plain(type)}${optional === true ? ', optional' : ''} | ${plain(help.en)} |`,
  );
  return `| ${title} | type | meaning |\n|---|---|---|\n${rows.join('\n')}\n`;
}

export function readme(): string {
  return `# ${about.NAME}

${about.DESCRIPTION}. Sluice reads sensors, keeps a log of readings, evaluates rules and delivers readings and alarms. These nodes
give flows a part in it.

| node | does |
|---|---|
${SHEETS.map(({ label, summary }) => `| ${label.en} | ${plain(summary.en)} |`).join('\n')}

The Node-RED of a gateway has these nodes already, and nothing is to be configured. In another Node-RED ${about.NODE_RED.slice(2)} or
later on the same machine, install the package, add a *gateway* and give it the path of the socket for flows and its token.

Nodes that act (*write*, *alarm action*) need a grant in the configuration of the gateway. *reading out* needs a bus with
\`protocol: flows\`.

The menu **Import → Examples** has a flow for each node. The help of each node lists its properties and messages, in English and
Bangla. Licence: Apache-2.0.
`;
}
