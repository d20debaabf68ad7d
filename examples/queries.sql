-- Each layer on validation: its outcomes, and how many alarms recover the true class
SELECT layer, outcome, COUNT(*) AS cases, COUNT(recovered_class) AS recovered,
    SUM(CASE WHEN recovered_right THEN 1 ELSE 0 END) AS recovered_right
FROM layer_decisions
WHERE partition = 'validation' AND metric = 'euclidean' AND rule = 'total'
GROUP BY layer, outcome
ORDER BY layer, outcome;

-- Attacks that every layer missed, those the network is surest of first
SELECT case_id, true_class, predicted_class, confidence, attacked_row, attacked_column
FROM case_overview
WHERE partition = 'validation' AND kind = 'adversarial' AND alarms = 0
ORDER BY confidence DESC
LIMIT 20;

-- Where cases leave their true class: the first layer with another majority among the neighbours
SELECT kind, first_divergence, COUNT(*) AS cases
FROM case_overview
WHERE partition = 'validation'
GROUP BY kind, first_divergence
ORDER BY kind, cases DESC;

-- Which cases another setting would alarm on: layer dense, k = 10, rule total, threshold 5
SELECT neighbors.case_id, cases.kind, COUNT(*) AS unexpected_count
FROM neighbors
JOIN cases ON cases.id = neighbors.case_id
JOIN layers ON layers.id = neighbors.layer_id AND layers.name = 'dense'
JOIN reference_samples ON reference_samples.id = neighbors.reference_sample_id
JOIN samples ON samples.id = reference_samples.sample_id
WHERE neighbors.metric = 'euclidean' AND neighbors.rank <= 10 AND samples.label <> cases.predicted_class
GROUP BY neighbors.case_id, cases.kind
HAVING COUNT(*) > 5
ORDER BY unexpected_count DESC, neighbors.case_id;

-- The ROC curve of each layer on validation, at the k that tuning chose
SELECT roc_curve.layer, roc_curve.k, roc_curve.threshold, roc_curve.fpr, roc_curve.tpr
FROM roc_curve
JOIN operating_points AS chosen
    ON chosen.layer_id = roc_curve.layer_id AND chosen.metric = roc_curve.metric
    AND chosen.rule = roc_curve.rule AND chosen.k = roc_curve.k
    AND chosen.how_chosen = 'tuning' AND chosen.partition = roc_curve.partition
WHERE roc_curve.partition = 'validation' AND roc_curve.metric = 'euclidean' AND roc_curve.rule = 'total'
ORDER BY roc_curve.layer, roc_curve.threshold;

-- Which class is changed into which: the attacks that succeed most often
SELECT method, true_class, to_class, attacks, successes, ROUND(100 * rate) AS percent
FROM attack_matrix
WHERE successes > 0
ORDER BY rate DESC, attacks DESC
LIMIT 20;

-- Where in the picture attacks succeed, by squares of 8 x 8 pixels
SELECT attacked_row / 8 AS square_row, attacked_column / 8 AS square_column,
    SUM(successes) AS successes, SUM(attacks) AS attacks
FROM attack_positions
GROUP BY attacked_row / 8, attacked_column / 8
ORDER BY successes DESC;

-- Cases beside a training picture that is suspiciously alike
SELECT case_id, kind, true_class, reference_class, distance, relative_distance, same_picture
FROM near_duplicates
ORDER BY relative_distance
LIMIT 20;
