/** Views and states of the status page that are looked at in every language. */
import * as sites from '../fakes/page-sites.ts';
import type { Page } from './browser.ts';
import type { PageSite } from './page-site.ts';

type PageServer = Awaited<ReturnType<PageSite['serve']>>;

export interface State {
  readonly name: string;
  readonly live?: () => ReturnType<typeof sites.clinic>;
  /** Behind `#/`. */
  readonly view?: string;
  readonly session?: PageServer['answers']['session'];
  readonly act?: (page: Page, server: PageServer) => Promise<unknown>;
}

export const OPERATOR = { name: 'anna', role: 'operator' };
const ADMINISTRATOR = { name: 'anna', role: 'administrator' };
const POINT = 'point/fridge.temperature';

export const STATES: readonly State[] = [
  { name: 'claim', session: 'unclaimed' },
  { name: 'log-in', session: 'nobody' },
  {
    ...{ name: 'log-in refused', session: 'nobody' },
    act: async (page, server) => {
      server.answers.refusal = { status: 401, code: 'unauthorized' };
      await page.fill('#name', 'anna');
      await page.fill('#password', 'wrong');
      await page.click('button[type=submit]');
      await page.waitForSelector('.fault:not(:empty)');
    },
  },
  { name: 'overview' },
  { name: 'overview of nothing', live: sites.empty },
  { name: 'overview of odd names', live: sites.odd },
  { name: 'devices', view: 'devices' },
  { name: 'devices, 1,000 points', live: sites.full, view: 'devices' },
  { name: 'devices of odd names', live: sites.odd, view: 'devices' },
  { name: 'a device', view: 'device/pump' },
  { name: 'a device that is gone', view: 'device/nobody' },
  { name: 'a chart', view: POINT, act: (page) => page.waitForSelector('.plot canvas') },
  {
    ...{ name: 'a table', view: POINT },
    act: async (page) => {
      await page.click('fieldset .second');
      await page.waitForSelector('.wide tbody tr');
    },
  },
  {
    ...{ name: 'a chart of nothing', view: 'point/fridge.door' },
    act: async (page, server) => {
      server.answers.history = () => undefined;
      await page.click('fieldset button');
      await page.waitForSelector('.card .empty');
    },
  },
  { name: 'alarms', view: 'alarms' },
  { name: 'alarms, 200 of them', live: sites.full, view: 'alarms' },
  { name: 'alarms of odd names', live: sites.odd, view: 'alarms' },
  { name: 'no alarms', live: sites.empty, view: 'alarms' },
  { name: 'alarms for a viewer', view: 'alarms', session: { name: 'rahim', role: 'viewer' } },
  { name: 'an alarm to be shelved', view: 'alarms', act: (page) => page.click('.alarm .second') },
  {
    ...{ name: 'an alarm to be taken out of service', view: 'alarms' },
    act: async (page) => {
      await page.click('.alarm .second + .second');
      await page.waitForSelector('form.shelve input[required]');
    },
  },
  {
    ...{ name: 'an acknowledgement refused', view: 'alarms' },
    act: async (page, server) => {
      server.answers.refusal = { status: 403, code: 'forbidden' };
      await page.click('.alarm button');
      await page.waitForSelector('.actions .fault');
    },
  },
  { name: 'delivery', view: 'delivery' },
  { name: 'delivery of odd names', live: sites.odd, view: 'delivery' },
  { name: 'no delivery', live: sites.empty, view: 'delivery' },
  { name: 'system', view: 'system', session: ADMINISTRATOR },
  { name: 'system of odd names', live: sites.odd, view: 'system' },
  { name: 'overview of a trial', live: sites.onTrial },
  { name: 'overview after a roll-back', live: sites.rolledBack },
  { name: 'system on trial', live: sites.onTrial, view: 'system' },
  { name: 'system after a roll-back', live: sites.rolledBack, view: 'system' },
  {
    ...{ name: 'overview of a broken configuration', live: sites.broken },
    act: (page) => page.waitForSelector('.broken li:nth-child(3)'),
  },
  {
    name: 'alarms of a broken configuration',
    live: sites.broken,
    view: 'alarms',
    act: (page) => page.waitForSelector('.broken'),
  },
  { name: 'flows', view: 'flows', act: (page) => page.waitForSelector('.revisions li') },
  {
    ...{ name: 'flows that are off', view: 'flows' },
    act: async (page, server) => {
      server.answers.flows = 'off';
      await page.evaluate(`location.hash = '#/system'`);
      await page.evaluate(`location.hash = '#/flows'`);
      await page.waitForSelector('.card .empty');
    },
  },
  {
    ...{ name: 'flows of odd names, one to be brought back', view: 'system' },
    act: async (page, server) => {
      server.answers.flows = 'odd';
      await page.evaluate(`location.hash = '#/flows'`);
      await page.click('.revisions .second');
      await page.waitForSelector('.revisions form');
    },
  },
  {
    ...{ name: 'a restart of Node-RED to be confirmed', view: 'flows' },
    act: async (page) => {
      await page.click('.card > .actions .second');
      await page.waitForSelector('.card > .actions form');
    },
  },
  { name: 'flows for a viewer', view: 'flows', session: { name: 'rahim', role: 'viewer' } },
  { name: 'you', view: 'you' },
  { name: 'you, without a session', view: 'you', session: 'looks' },
  {
    name: 'connection lost',
    act: async (page, server) => {
      server.answers.refuse = 500;
      server.drop();
      await page.waitForSelector('.link.lost');
    },
  },
  {
    name: 'too many pages',
    act: async (page, server) => {
      server.answers.refuse = 503;
      server.drop();
      await page.waitForSelector('.link.busy');
    },
  },
];
