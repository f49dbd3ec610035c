/** Routes for bundles and receipts. */
import { MAX_RECEIPT } from '../../codecs/bundle/statement.ts';
import { MAX_TOKEN } from '../../codecs/bundle/stick.ts';
import { parseTime } from '../../core/times.ts';
import { MIN_BUNDLE } from '../bundles.ts';
import { RECEIPT_BODY } from '../limits.ts';
import { BYTES_TYPE } from '../respond.ts';
import { keys, text, time, whole } from './fields.ts';
import { jsonRoute, type Route, writingRoute } from './route.ts';

export const BUNDLES: readonly Route[] = [
  jsonRoute({
    ...{ method: 'GET', path: '/api/v1/bundle-key', needs: 'bundle', answer: 'BundleKey' },
    says: 'The public key of this gateway, by which platforms know its bundles. The gateway makes the key at the first call.',
    run: (_, { target }) => target.bundleKey(),
  }),
  writingRoute({
    ...{
      method: 'POST',
      path: '/api/v1/bundle',
      needs: 'bundle',
      answers: { types: [BYTES_TYPE] },
      body: keys({
        forwarder: text('a forwarder with `platform` (default: the only one)').optional(),
        from: time('records of a time range: the first moment').optional(),
        to: time('the last moment').optional(),
        max: whole('bytes of a bundle; what does not fit follows as more bundles', MIN_BUNDLE, 2 ** 50).optional(),
        stick: keys({
          token: text('the content of sluice-stick.json', MAX_TOKEN),
          id: text('the id of the file system of the stick').optional(),
        })
          .describe('The bundle goes to a stick: nothing is sent if the stick does not belong to the platform.')
          .optional(),
      }),
    },
    says: 'A bundle with everything that a forwarder has not delivered, or of a time range, as `sluice export --bundle` writes it.',
    example: {},
    run: ({ from, to, ...asked }, { target, long, ...reader }) => {
      const at = (moment: string | undefined) =>
        moment === undefined ? undefined : parseTime(moment, target.now(), target.timezone);
      return long.bytes(reader, target.bundle({ ...asked, from: at(from), to: at(to) }));
    },
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/receipt', needs: 'bundle', answer: 'Receipt', longest: RECEIPT_BODY },
    says: 'Takes a receipt of the platform. It moves the cursor of the forwarder over what the platform has stored. A forged or an older receipt changes nothing.',
    example: { receipt: '{"v":1,"kind":"sluice-receipt", …}' },
    body: keys({ receipt: text('the content of a receipt', MAX_RECEIPT) }),
    run: ({ receipt }, { target }) => target.receipt(receipt),
  }),
];
