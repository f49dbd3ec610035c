/**
 * Loaded into every test process before the test. tap passes its own preload on to all child processes through the
 * environment. The daemons and tools that a test starts run as a user runs them, so that part is taken away here.
 */
const options = (process.env.NODE_OPTIONS ?? '').replaceAll(/"?--import=\S*@tapjs\/processinfo[^\s"]*"?/g, '').trim();
if (options === '') delete process.env.NODE_OPTIONS;
else process.env.NODE_OPTIONS = options;
for (const name of Object.keys(process.env)) {
  if (name === 'TAP' || name.startsWith('TAP_') || name.startsWith('_TAPJS_')) delete process.env[name];
}
