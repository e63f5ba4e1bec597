"""The facts of Topic Aware Neural Response Generation."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_CHATTERBOT = {
    "source_vocab_size": 800,
    "target_vocab_size": 800,
    "embedding_dim": 24,
    "dim": 32,
    "topic_dim": 21,
}

_NOTE = (
    "Trained on 805 English messages and replies of chatterbot-corpus (BSD-3-Clause), whose 21 categories are "
    "the topics; every eighth message is held out unless its reply is also one of training."
)

PAPER = Paper(
    id="ta-seq2seq",
    title="Topic Aware Neural Response Generation",
    arxiv="1606.08340",
    year=2017,
    code=__package__,
    repo="LynetteXing1991/TAJA-Seq2Seq",
    commit="59bf9b3",
    fidelity="paper",
    replay="conversion:replay",
    differences=(
        "The equations put tanh on every logit, which bounds them to [-1, 1]: logit_activation=tanh. The default "
        "leaves it out, so that the network can be trained.",
    ),
    ours=("Topic words outside the vocabulary are not kept: K is a subset of V.",),
    entries=(
        Entry(
            id="ta-seq2seq",
            kind="model",
            summary="reply generator that attends to the message and to topic words, and prefers to say the latter",
            tags=(
                "dialogue",
                "generation",
                "encoder-decoder",
                "recurrent",
                "co-attention",
                "single-level",
                "soft",
                "additive",
            ),
            build="network:TopicAware",
            config="config:TopicAwareConfig",
            example="network:example",
            preprocess="replies:preprocess",
            predict="replies:predict",
            picture="pictures:reply",
            train="training:train",
            differences=(
                "The released code is of an earlier version with joint attention and without biased generation; its "
                "maxout readout is readout=maxout.",
            ),
            ours=(
                "Topics of messages: a small Twitter-LDA by Gibbs sampling (`topics.learn_topics`); any other can be "
                "put in its place.",
                "h_T is the last state of either direction.",
                "Baidu Tieba is not to be had: the presets `chatterbot` and `chatterbot-s2sa` (without topics) learnt "
                "805 messages of chatterbot-corpus, whose categories are the topics. That is far too little to talk "
                "with.",
            ),
            presets={
                "ta-seq2seq": {},
                "s2sa": {"topic_attention": False, "biased_generation": False},
                "chatterbot": _CHATTERBOT,
                "chatterbot-s2sa": {**_CHATTERBOT, "topic_attention": False, "biased_generation": False},
                "tiny": {
                    "source_vocab_size": 40,
                    "target_vocab_size": 40,
                    "embedding_dim": 12,
                    "dim": 16,
                    "topic_dim": 6,
                },
            },
            weights={
                "chatterbot": Weights(
                    "package://zoo_seq2seq/weights/ta-seq2seq-chatterbot.safetensors",
                    sha256="2c8236d74d12b0a94813ad8a909ec960717e201ee3ff8fa3cabf0fd2d41dc2cc",
                    size=856_968,
                    license="BSD-3-Clause",
                    metric=(
                        "perplexity 132.6 on held-out messages, distinct-2 0.35, 15% of replies name a topic word; "
                        "without topics, with half the parameters, 133.3, 0.10 and 5%"
                    ),
                    command="zoo train ta-seq2seq/chatterbot",
                    note=_NOTE,
                ),
                "chatterbot-s2sa": Weights(
                    "package://zoo_seq2seq/weights/ta-seq2seq-chatterbot-s2sa.safetensors",
                    sha256="3816a2879cee51cfe6a90dbaab486f51d42168bd601bf6ce0e9060d5cd21435f",
                    size=445_888,
                    license="BSD-3-Clause",
                    metric="perplexity 133.3 on held-out messages, distinct-2 0.10, 5% of replies name a topic word",
                    command="zoo train ta-seq2seq/chatterbot-s2sa",
                    note=_NOTE,
                ),
            },
            claims=(
                Claim(
                    "topic attention depends on the final message state, message attention does not",
                    figure="gradient test",
                    check="claims:check_topic_attention_sees_the_message",
                ),
                Claim(
                    "replies that must mention a word of the topic: the biased model uses more topic words than plain "
                    "seq2seq with attention",
                    figure="higher topic-word rate",
                    check="claims:check_replies_name_topic_words",
                    slow=True,
                ),
                Claim(
                    "lower perplexity and more distinct words than S2SA",
                    check="claims:check_on_conversations",
                    slow=True,
                ),
                Claim(
                    "the same on its own data, also than S2SA's variants",
                    needs="Baidu Tieba, 5 million pairs",
                ),
            ),
        ),
        Entry(
            id="ta-seq2seq-law",
            kind="model",
            summary="the law of the next word alone: a language term for all words and a second term for topic words",
            tags=("dialogue", "generation"),
            build="law:BiasedLaw",
            config="config:BiasedLawConfig",
            example="law:example",
            picture="pictures:law",
            presets={"tiny": {"vocab_size": 20, "state_dim": 8, "embedding_dim": 6, "context_dim": 10}},
            claims=(
                Claim(
                    "a topic word's probability is never lower than that of an equal non-topic word",
                    figure="p(topic w)/p(non-topic w') > exp(psi_V(w)-psi_V(w'))",
                    check="claims:check_topic_words_are_likelier",
                ),
                Claim(
                    "with an empty topic set K the output law is the plain softmax of psi_V",
                    figure="exact",
                    check="claims:check_empty_topics",
                ),
                Claim(
                    "the distribution sums to 1 over the vocabulary",
                    figure="1 within 1e-6",
                    check="claims:check_sums_to_one",
                ),
            ),
        ),
    ),
)
