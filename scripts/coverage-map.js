/** Asked by tap for each test file: null measures nothing, an empty list measures every source that the test loads. */
export default (file) => (/^test\/(unit|contract)\//.test(file) ? [] : null);
