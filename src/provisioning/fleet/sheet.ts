/** Labels on sheets of A4, to be printed and cut. One page of its own: nothing is loaded from elsewhere. */
import { escaped, type LabelFacts, labelSvg } from '../label.ts';

export type SheetLabel = LabelFacts;

export function sheetHtml(labels: readonly SheetLabel[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Labels of ${escaped(String(labels.length))} gateways</title>
<style>
@page { size: A4; margin: 8mm }
body { margin: 0; display: grid; grid-template-columns: repeat(3, 62mm); gap: 2mm }
div { break-inside: avoid; outline: 0.1mm dashed #999; line-height: 0 }
</style>
</head>
<body>
${labels.map((label) => `<div>${labelSvg(label).trimEnd()}</div>`).join('\n')}
</body>
</html>
`;
}
