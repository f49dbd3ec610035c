/** What stands around every view: title, pages, the state of the connection, and what screen readers hear. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Route } from '../gateway/route.ts';
import type { Standing } from '../gateway/session.ts';
import { needsAttention } from '../gateway/verdict.ts';
import { Alarms } from '../views/alarms.tsx';
import { Delivery } from '../views/delivery.tsx';
import { DeviceView } from '../views/device.tsx';
import { Devices } from '../views/devices.tsx';
import { Claim, Login } from '../views/doors.tsx';
import { Flows } from '../views/flows.tsx';
import { Overview } from '../views/overview.tsx';
import { System } from '../views/system.tsx';
import { LanguageChoice, You } from '../views/you.tsx';
import { shortTime } from '../words/times.ts';
import type { Words } from '../words/words.ts';
import { Broken } from './broken.tsx';
import { OnTrial } from './on-trial.tsx';
import { useShell } from './shell.ts';
import { Name } from './small.tsx';

/** Inside, and the gateway has sent nothing yet. */
const WAITING = 'waiting';
const PAGES = ['overview', 'devices', 'alarms', 'delivery', 'system', 'you'] as const;

export function Frame({ stand, route, said }: { stand: Standing; route: Route; said: string }): JSX.Element {
  const { words, model } = useShell();
  const main = useRef<HTMLElement>(null);
  const inside = stand.at === 'in';
  const view = !inside ? stand.at : model.state === undefined ? WAITING : JSON.stringify(route);
  const title = inside ? titleOf(words, route) : words.t(stand.at === 'claim' ? 'claim.title' : 'app.title');
  const before = useRef(view);
  const led = useRef(false);
  const news = useNews();

  useEffect(() => {
    document.title = `${title} – ${model.state?.gateway.name ?? model.state?.gateway.id ?? words.t('app.name')}`;
  }, [title, model.state?.gateway.name, model.state?.gateway.id]);
  useEffect(() => {
    // The first view is read from the beginning of the page. Others are read from their heading, and once more when they have come.
    const arrives = before.current === view || before.current === 'loading' || (before.current === WAITING && !led.current);
    before.current = view;
    if (arrives) return;
    led.current = true;
    scrollTo(0, 0);
    main.current?.querySelector<HTMLElement>('h1')?.focus();
  }, [view]);

  const fresh = model.link === 'live';
  return (
    <>
      <button type="button" class="skip" onClick={() => skip(main.current)}>
        {words.t('app.skip')}
      </button>
      <header>
        <p class="title">
          <Name>{model.state?.gateway.name ?? model.state?.gateway.id ?? words.t('app.name')}</Name>
        </p>
        {/* Its Bangla word makes a browser fetch the font, before it is known whether anybody has to choose. */}
        {inside ? <Link /> : stand.at !== 'loading' && <LanguageChoice id="door-language" />}
      </header>
      {inside && <Pages route={route} />}
      <main ref={main} id="main" class={inside && !fresh ? 'old' : ''}>
        {inside && <Broken />}
        {inside && <OnTrial />}
        {inside ? <View key={JSON.stringify(route)} route={route} /> : <Door stand={stand} />}
      </main>
      <p role="status" class="unseen">
        {said}
      </p>
      <p role="status" class="unseen">
        {news}
      </p>
    </>
  );
}

/** A button: a link to a place would change the address, which names the view. */
function skip(main: HTMLElement | null): void {
  main?.querySelector<HTMLElement>('h1')?.focus();
}

function titleOf(words: Words, route: Route): string {
  if (route.view === 'device') return route.device;
  if (route.view === 'point') return `${route.device}.${route.point}`;
  return words.t(`${route.view}.title`);
}

function View({ route }: { route: Route }): JSX.Element | null {
  const { words, model } = useShell();
  if (route.view === 'you') return <You />;
  if (model.state === undefined)
    return (
      <h1 tabIndex={-1} class="loading">
        {words.t('app.loading')}
      </h1>
    );
  switch (route.view) {
    case 'overview':
      return <Overview />;
    case 'devices':
      return <Devices />;
    case 'device':
      return <DeviceView name={route.device} />;
    case 'point':
      return <ChartOfPoint device={route.device} point={route.point} />;
    case 'alarms':
      return <Alarms />;
    case 'delivery':
      return <Delivery />;
    case 'system':
      return <System />;
    case 'flows':
      return <Flows />;
  }
}

/** Charts are a third of the page. They come when one is looked at. */
function ChartOfPoint(props: { device: string; point: string }): JSX.Element {
  const { words } = useShell();
  const [loaded, setLoaded] = useState<typeof import('../views/point.tsx') | 'failed'>();
  useEffect(() => {
    import('../views/point.tsx').then(setLoaded, () => setLoaded('failed'));
  }, []);
  return (
    <>
      {/* The same heading before and after: who reads from it stays on it. */}
      <h1 tabIndex={-1}>
        <Name>{`${props.device}.${props.point}`}</Name>
      </h1>
      {loaded !== undefined && loaded !== 'failed' ? (
        <loaded.PointView {...props} />
      ) : (
        <p class="loading">{words.t(loaded === 'failed' ? 'error.offline' : 'app.loading')}</p>
      )}
    </>
  );
}

function Door({ stand }: { stand: Standing }): JSX.Element {
  const { words } = useShell();
  switch (stand.at) {
    case 'claim':
      return <Claim />;
    case 'log-in':
      return <Login ended={stand.ended} />;
    case 'offline':
      return (
        <div class="door card">
          <h1 tabIndex={-1}>{words.t('app.title')}</h1>
          <p role="alert">{words.t('error.offline')}</p>
        </div>
      );
    default:
      return (
        <h1 tabIndex={-1} class="loading">
          {words.t('app.loading')}
        </h1>
      );
  }
}

function Pages({ route }: { route: Route }): JSX.Element {
  const { words, model } = useShell();
  const alarms = model.state?.alarms.filter(needsAttention).length ?? 0;
  const under = { device: 'devices', point: 'devices', flows: 'system' } as const;
  const here = route.view in under ? under[route.view as keyof typeof under] : route.view;
  return (
    <nav aria-label={words.t('nav.label')}>
      <ul>
        {PAGES.map((page) => (
          <li key={page}>
            <a href={`#/${page}`} {...(page === here ? { 'aria-current': 'page' as const } : {})}>
              {words.t(`nav.${page}`)}
              {page === 'alarms' && alarms > 0 && <span class="count">{words.number(alarms)}</span>}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** The state of the connection, always in words. */
function Link(): JSX.Element {
  const { words, model, now } = useShell();
  const { link, heard, offset, every } = model;
  const slow = link === 'live' && every > 2000;
  return (
    <p role="status" class={`link ${link}`}>
      {link === 'live' && words.t(slow ? 'link.slow' : 'link.live', { seconds: Math.round(every / 1000) })}
      {link === 'connecting' && words.t('link.connecting')}
      {link === 'busy' && words.t('link.busy')}
      {link === 'lost' &&
        (heard === 0 ? words.t('link.lostEmpty') : words.t('link.lost', { time: shortTime(words, heard + offset, now) }))}
    </p>
  );
}

/** The newest alarm that began while the page is open, for screen readers. */
function useNews(): string {
  const { words, model } = useShell();
  const known = useRef<Map<string, number>>(undefined);
  const [news, setNews] = useState('');
  const alarms = model.state?.alarms;
  useEffect(() => {
    if (alarms === undefined) return;
    const before = known.current;
    known.current = new Map(alarms.map(({ rule, occurrence }) => [rule, occurrence]));
    if (before === undefined) return;
    const fresh = alarms.find(({ rule, occurrence }) => (before.get(rule) ?? 0) < occurrence);
    if (fresh !== undefined) setNews(words.t('alarms.new', { rule: fresh.rule, message: words.message(fresh) }));
  }, [alarms, words]);
  return news;
}
