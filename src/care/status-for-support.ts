/** The status as it goes into a support bundle: of a site with private points, no value and no words that may have one in them. */
type Data = Readonly<Record<string, unknown>>;

const isData = (value: unknown): value is Data => typeof value === 'object' && value !== null && !Array.isArray(value);

/** @param status as the gateway answers it @param isPrivate some point of the site says something about people, or nobody knows */
export function statusForSupport(status: unknown, isPrivate: boolean): unknown {
  if (!isPrivate || !isData(status)) return status;
  const { alarms, observed, actions, ...rest } = status;
  return {
    ...rest,
    ...(Array.isArray(alarms) && { alarms: alarms.map(withoutReading) }),
    ...(Array.isArray(observed) && { observed: observed.map(withoutReading) }),
    ...(isData(actions) && {
      actions: { ...actions, ...(Array.isArray(actions.list) && { list: actions.list.map(withoutError) }) },
    }),
  };
}

/** What an alarm may show. A list of what it may not show would let the next new key through. */
const SHOWN = ['rule', 'point', 'state', 'severity', 'since', 'occurrence', 'type', 'shelvedUntil', 'firstOut'] as const;

function withoutReading(alarm: unknown): unknown {
  if (!isData(alarm)) return undefined;
  return Object.fromEntries(SHOWN.filter((key) => key in alarm).map((key) => [key, alarm[key]]));
}

/** What a device answered to a write may be in the words of its failure. */
function withoutError(action: unknown): unknown {
  if (!isData(action)) return undefined;
  const { error, ...rest } = action;
  return { ...rest, error: isData(error) ? { time: error.time } : null };
}
