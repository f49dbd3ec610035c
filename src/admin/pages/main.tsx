/**
 * The status page. It is one document: who looks decides what stands before it (claim, log-in), the address names the view
 * (gateway/route.ts), and one open answer of the gateway brings what is new (gateway/live.ts). Invariants:
 * - every text is in words/, in each language; names and messages of the field are drawn as text, never as HTML;
 * - what came before the connection was lost is shown as old;
 * - nothing is offered that the role of the reader may not do. The gateway decides all the same.
 */
import { type JSX, render } from 'preact';
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Live } from './gateway/live.ts';
import { EMPTY, gatewayNow, type Model } from './gateway/model.ts';
import { type Route, routeOf } from './gateway/route.ts';
import { type Standing, standing } from './gateway/session.ts';
import { keepSettings, readSettings, type Settings } from './gateway/settings.ts';
import { Frame } from './parts/frame.tsx';
import { type Shell, ShellProvider } from './parts/shell.ts';
import { Words } from './words/words.ts';
import './style.css';

/** Ages go on while nothing comes. */
const TICK = 1000;
/** How often a gateway that does not answer is asked who looks. */
const OFFLINE_WAIT = 5000;

function App(): JSX.Element {
  const [settings, setSettings] = useState(readSettings);
  const [stand, setStand] = useState<Standing>({ at: 'loading' });
  const [model, setModel] = useState<Model>(EMPTY);
  const [said, setSaid] = useState('');
  const [, setTicks] = useState(0);
  const [route, setRoute] = useState<Route>(() => routeOf(location.hash));
  const last = useRef(stand);
  last.current = stand;

  const recheck = useCallback(() => {
    void standing(last.current).then(setStand);
  }, []);
  const change = useCallback((next: Settings) => {
    keepSettings(next);
    setSettings(next);
  }, []);
  const words = useMemo(() => new Words(settings.language, settings.bengaliDigits), [settings]);

  useEffect(recheck, [recheck]);
  useEffect(() => {
    if (stand.at !== 'offline') return;
    const timer = setInterval(recheck, OFFLINE_WAIT);
    return () => clearInterval(timer);
  }, [stand.at, recheck]);
  useEffect(() => {
    const timer = setInterval(() => setTicks((n) => n + 1), TICK);
    const turned = (): void => setRoute(routeOf(location.hash));
    addEventListener('hashchange', turned);
    return () => {
      clearInterval(timer);
      removeEventListener('hashchange', turned);
    };
  }, []);
  const version = model.state?.gateway.version;
  const began = useRef(version);
  useEffect(() => {
    began.current ??= version;
    // Another version of the gateway has another page, and no parts of this one.
    if (version !== undefined && version !== began.current) location.reload();
  }, [version]);
  const inside = stand.at === 'in';
  useEffect(() => {
    if (!inside) return;
    setModel(EMPTY);
    const live = new Live(setModel, recheck);
    live.start();
    return () => live.stop();
  }, [inside, recheck]);
  useEffect(() => {
    document.documentElement.lang = settings.language;
  }, [settings.language]);

  const shell: Shell = {
    ...{ words, model, settings, change, recheck, announce: setSaid },
    now: gatewayNow(model, Date.now()),
    session: stand.at === 'in' ? stand.session : undefined,
  };
  return (
    <ShellProvider value={shell}>
      <Frame stand={stand} route={route} said={said} />
    </ShellProvider>
  );
}

const root = document.getElementById('page');
if (root !== null) render(<App />, root);
