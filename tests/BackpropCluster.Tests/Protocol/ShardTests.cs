using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

public class ShardTests
{
    [Fact]
    public void ForwardItAnswersTheLayerAbove()
    {
        var shard = TutorialSlice.After(steps: 0);
        shard.Receive(shard.Letters.Advance(1));
        shard.Outbox.AssertSilent();
        shard.Receive(shard.Letters.Hidden(1));
        Assert.Equal(Recipients.Loss, Assert.Single(shard.Outbox.Sent).To);
    }

    [Fact]
    public void BackwardItAnswersTheLayerBelowAndTheCoordinator()
    {
        var shard = TutorialSlice.After(steps: 0);
        shard.Receive(shard.Letters.Hidden(1, 0.6, 0.5));
        shard.Outbox.Sent.Clear();
        shard.Receive(shard.Letters.Slopes(1));
        Assert.Equal(
            [(Recipients.ShardsOf(1), typeof(Deltas)), (Recipients.Coordinator, typeof(Ready))],
            shard.Outbox.Sent.Select(s => (s.To, s.Message.GetType()))
        );
    }

    // A payload is shared by all receivers on a silo: whoever wrote to it before the commit would change numbers under
    // its neighbours.
    [Fact]
    public void WhatItSentIsFilledAnewOnlyWhenTheStepIsCommitted()
    {
        var shard = TutorialSlice.After(steps: 0);
        Message[] step = [shard.Letters.Hidden(1, 0.6, 0.5), shard.Letters.Slopes(1)];
        shard.Receive(step);
        var payloads = Payloads(shard);
        var before = payloads.Select(p => p.Values[0]).ToArray();
        Assert.Equal(2, before.Length);
        shard.Receive(step);
        Assert.Equal(before, payloads.Select(p => p.Values[0]));
        shard.Receive(shard.Letters.Hidden(2, 0.1, 0.9), shard.Letters.Slopes(2));
        Assert.NotEqual(before, payloads.Select(p => p.Values[0]));
    }

    // Its sender may be filling the array for the next step already: other bits under the old key are no contradiction
    // then.
    [Fact]
    public void AfterItsReadyARepeatIsNotLookedAt()
    {
        var shard = TutorialSlice.After(steps: 0);
        shard.Receive(shard.Letters.Hidden(1, 0.6, 0.5), shard.Letters.Slopes(1));
        shard.Outbox.Sent.Clear();
        shard.Receive(shard.Letters.Hidden(1, 0.7), shard.Letters.Slopes(1, first: 0.1));
        shard.Outbox.AssertSilent();
    }

    [Fact]
    public void WhatItReceivedItDoesNotChange()
    {
        var shard = TutorialSlice.After(steps: 0);
        var (x, d) = (shard.Letters.Hidden(1), shard.Letters.Slopes(1));
        shard.Receive(x, d, shard.Letters.Advance(2));
        Assert.Equal([0.6, 0.5], x.Values.Values);
        Assert.Equal([0.7, -0.2], d.Values.Values);
    }

    // Observers keep what they are told; a buffer that the next step fills again would rewrite their history.
    [Fact]
    public void WhatItObservedDoesNotChangeInTheNextStep()
    {
        var shard = new TutorialSlice(new TraceSpec(100, 0));
        shard.Receive(shard.Letters.Restore());
        var trace = new TraceContext(1, 2, 3);
        void Forward(int step, double first, double second)
        {
            var message = shard.Letters.Hidden(step, first, second);
            shard.Receive(message with { Key = message.Key with { Trace = trace } });
        }

        Forward(1, 0.6, 0.5);
        shard.Receive(shard.Letters.Slopes(1));
        var first = shard.Outbox.Observations.OfType<ShardForward>().Single();
        Assert.Equal([0.6, 0.5], first.X);
        Forward(2, 0.1, 0.9);
        Assert.Equal([0.6, 0.5], first.X);
    }

    [Fact]
    public void WithoutATraceItObservesNothing() => Assert.Empty(TutorialSlice.After(steps: 3).Outbox.Observations);

    private static Payload[] Payloads(TutorialSlice shard) =>
        [
            .. shard
                .Outbox.Sent.Select(s =>
                    s.Message switch
                    {
                        Activations a => a.Values,
                        Deltas d => d.Values,
                        _ => null,
                    }
                )
                .OfType<Payload>(),
        ];
}
