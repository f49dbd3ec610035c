/** What a system must be so that it has two slots: which image it is, and where its slots lie. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { SluiceError } from '../core/errors.ts';
import { readJson } from './files.ts';
import type { Slots } from './slots.ts';
import { type ReleaseFile, releaseFile } from './state.ts';
import { TrybootSlots } from './tryboot-slots.ts';
import { UefiSlots } from './uefi-slots.ts';

const RELEASE = 'usr/lib/sluice-image/release.json';
const MOST = 64 * 1024;

export interface Image {
  readonly release: ReleaseFile;
  readonly slots: Slots;
  /** A folder of root on the partition with the state, which the gateway's own user cannot exchange. */
  readonly stateFolder: string;
}

/**
 * @param root `/`; another folder in tests
 * @throws SluiceError `update-unsupported`: the system is not one of our images
 */
export function openImage(root = '/'): Image {
  const release = releaseFile.safeParse(readJson(path.join(root, RELEASE), MOST));
  if (!release.success)
    throw new SluiceError(
      'update-unsupported',
      'this system is no Sluice image, so it has no second slot; update the package instead: apt-get update && apt-get install sluice',
    );
  const cmdline = readFileSync(path.join(root, 'proc/cmdline'), 'utf8');
  const labels = path.join(root, 'dev/disk/by-partlabel');
  const { target } = release.data;
  const slots = target.startsWith('rpi-')
    ? new TrybootSlots({ selector: path.join(root, 'boot/firmware'), cmdline, labels, target })
    : new UefiSlots({ esp: path.join(root, 'boot/firmware'), cmdline, labels, target });
  return { release: release.data, slots, stateFolder: path.join(root, 'state/update') };
}
