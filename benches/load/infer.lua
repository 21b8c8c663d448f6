-- Binary inference requests for wrk: WIDTH features of one row, the logits back as bytes.
local width = tonumber(os.getenv("WIDTH") or "256")
local json = '{"inputs":[{"name":"features","shape":[1,' .. width .. '],"datatype":"FP32","parameters":{"binary_data_size":'
  .. 4 * width .. '}}],"outputs":[{"name":"logits","parameters":{"binary_data":true}}]}'
wrk.method = "POST"
-- 1.0 by turns with 0: what a ReLU leaves.
wrk.body = json .. string.rep("\0\0\128\63\0\0\0\0", math.floor(width / 2)) .. string.rep("\0\0\0\0", width % 2)
wrk.headers["Content-Type"] = "application/octet-stream"
wrk.headers["Inference-Header-Content-Length"] = tostring(#json)
done = function(summary, latency, requests)
  local bad = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
  io.write(string.format("%.0f requests/s, p50 %.2f ms, p99 %.2f ms, %d errors\n",
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000, bad))
end
