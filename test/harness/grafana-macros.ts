/**
 * Variables and macros of a query as Grafana replaces them, from the documentation of its variables (format `sqlstring`), and from the
 * source of its PostgreSQL data source (grafana/grafana: pkg/tsdb/grafana-postgresql-datasource/macros.go and sqleng/sql_engine.go,
 * commits 02ab314b and 043dd88a). It is no Grafana: what the dashboard does not use is not here.
 */
export interface Seen {
  readonly from: Date;
  readonly to: Date;
  /** `$__interval`, seconds. */
  readonly interval: number;
  /** Values by the name of a variable. */
  readonly variables: Readonly<Record<string, readonly string[]>>;
}

/** @throws on a variable or a macro that is not known */
export function expanded(sql: string, { from, to, interval, variables }: Seen): string {
  const group = (column: string, seconds: number) => `floor(extract(epoch from ${column})/${seconds})*${seconds}`;
  const macros: Readonly<Record<string, (args: readonly string[]) => string>> = {
    timeFilter: ([column]) => `${column} BETWEEN '${from.toISOString()}' AND '${to.toISOString()}'`,
    timeGroup: ([column = '', every = '']) => group(column, seconds(every)),
    timeGroupAlias: ([column = '', every = '']) => `${group(column, seconds(every))} AS "time"`,
  };
  return sql
    .replace(/\$\{(\w+):sqlstring\}/g, (_, name: string) => {
      const values = variables[name];
      if (values === undefined) throw new Error(`no variable ${name}`);
      return values.map((value) => `'${value.replaceAll("'", "''")}'`).join(',');
    })
    .replaceAll('$__interval', written(interval))
    .replace(/\$__(\w+)\(([^)]*)\)/g, (_, name: string, args: string) => {
      const macro = macros[name];
      if (macro === undefined) throw new Error(`no macro ${name}`);
      return macro(args.split(',').map((arg) => arg.trim()));
    });
}

const UNITS = { d: 86_400, h: 3600, m: 60, s: 1, ms: 0.001 };

/** As FormatInterval of grafana-plugin-sdk-go: whole ones of the largest unit that fits. */
function written(interval: number): string {
  const [unit, of] = Object.entries(UNITS).find(([, of]) => interval >= of) ?? ['ms', interval];
  return `${Math.floor(interval / of)}${unit}`;
}

function seconds(every: string): number {
  const found = /^'?(\d+)(ms|[smhd])'?$/.exec(every);
  if (found === null) throw new Error(`no interval: ${every}`);
  return Number(found[1]) * UNITS[found[2] as keyof typeof UNITS];
}
