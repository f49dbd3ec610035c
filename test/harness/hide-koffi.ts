/** Loaded into a gateway with `--import`: the package koffi is not there. */
import { registerHooks } from 'node:module';

registerHooks({
  resolve(specifier, context, next) {
    if (specifier === 'koffi') throw new Error('koffi is hidden');
    return next(specifier, context);
  },
});
