/**
 * Regression by partial least squares with one dependent variable. It is the first of the "improved PLS algorithms" of Dayal and
 * MacGregor (Journal of Chemometrics 11, 1997). With all its components it is the least-squares line.
 * Columns may depend on each other. It takes rows × columns × components multiplications, and as many numbers as rows × columns.
 */

/** Where so small a share is left to explain, further components change nothing that counts, and cost as much as the first ones. */
const LEAST = 1e-7;

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

function addTo(sum: Float64Array, add: Float64Array, factor: number): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + factor * (add[i] as number);
}

/**
 * @param rows the independent variables of each observation, all of one length; at least one row
 * @param y the dependent variable of each observation
 * @param at the independent variables of what is asked for
 * @returns the dependent variable there
 */
export function predict(rows: readonly Float64Array[], y: Float64Array, at: Float64Array): number {
  const { length: width } = at;
  const mean = new Float64Array(width);
  for (const row of rows) addTo(mean, row, 1 / rows.length);
  const centred = rows.map((row) => row.map((value, j) => value - (mean[j] as number)));
  const middle = y.reduce((sum, value) => sum + value, 0) / rows.length;
  const asked = at.map((value, j) => value - (mean[j] as number));
  /** What the components so far leave of the covariance between the columns and `y`. */
  const left = new Float64Array(width);
  for (const [i, row] of centred.entries()) addTo(left, row, (y[i] as number) - middle);
  const enough = LEAST * Math.sqrt(dot(left, left));
  const components: { readonly weights: Float64Array; readonly loadings: Float64Array }[] = [];
  let result = middle;
  for (let most = Math.min(width, rows.length - 1); components.length < most; ) {
    const size = Math.sqrt(dot(left, left));
    if (!(size > enough)) break;
    const direction = left.map((value) => value / size);
    const weights = direction.slice();
    for (const before of components) addTo(weights, before.weights, -dot(before.loadings, direction));
    const scores = Float64Array.from(centred, (row) => dot(row, weights));
    const power = dot(scores, scores);
    if (!(power > 0)) break;
    const loadings = new Float64Array(width);
    for (const [i, row] of centred.entries()) addTo(loadings, row, (scores[i] as number) / power);
    const explained = dot(left, weights);
    addTo(left, loadings, -explained);
    result += (explained / power) * dot(asked, weights);
    components.push({ weights, loadings });
  }
  return result;
}
