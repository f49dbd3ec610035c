/**
 * A card that its board booted once: provisioned, grown to its end, claimed by nobody, and told where updates are. Cases begin with
 * a copy of it, so that one case alone costs one boot less, and each begins with the same state. It is kept beside the image.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { type CardImage, run } from './card-image.ts';
import { CardSite, provisioningFile } from './card-site.ts';
import { UPDATES } from './card-updates.ts';
import { QemuBoard } from './qemu-board.ts';

/** The board that it belongs to: in another one the card would be a copy. */
export const SETTLED_BOARD = { uuid: '7f0a3c1e-0000-4000-8000-00000000000c', mac: '00:1b:21:c1:b2:c3', disk: 'card-c' };
const SETTLE = `sed -i 's#^gateway:#gateway:\\n  update: {from: "${UPDATES}"}#' /etc/sluice/gateway.yaml && sluice check`;

/** @returns the card, which nobody may write. Making it takes one boot */
export async function settledCard(t: TestContext, image: CardImage): Promise<string> {
  const stamp = createHash('sha256')
    .update(provisioningFile(false))
    .update(readFileSync(import.meta.filename))
    .digest('hex');
  const card = path.join(image.folder, `settled-${stamp.slice(0, 12)}.img`);
  if (existsSync(card)) return card;
  const site = await CardSite.start(t);
  if (site === undefined) throw new Error('a card settles with a broker: apt-get install -y mosquitto mosquitto-clients');
  const board = QemuBoard.make(t, { ...SETTLED_BOARD, image: image.image, growTo: '4G', servers: site.servers });
  board.putOnBoot('sluice.yaml', provisioningFile(false));
  board.start();
  await site.next('the first reading of a new card', board, ({ good }) => good);
  const door = await board.door();
  await door.run(SETTLE);
  await door.until('test -e /state/.grown');
  await door.run('sync');
  await board.cut();
  run('cp', ['--sparse=always', '--reflink=auto', board.card, `${card}.new`]);
  renameSync(`${card}.new`, card);
  return card;
}
