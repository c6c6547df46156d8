using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Tests.Protocol;

public class PayloadTests
{
    [Theory]
    [InlineData(2, 3, 6)]
    [InlineData(0, 3, 0)]
    [InlineData(3, 0, 0)]
    public void AnArrayOfItsShapeIsTaken(int units, int rows, int values) =>
        Assert.Equal(8 * values, new Payload(units, rows, new double[values]).Bytes);

    [Theory]
    [InlineData(2, 3, 5)]
    [InlineData(2, 3, 7)]
    [InlineData(-2, -3, 6)]
    [InlineData(-1, 0, 0)]
    [InlineData(65536, 65536, 0)] // 2³² values: nothing, if it were counted in 32 bits
    public void AnyOtherIsRefusedWithBothShapesNamed(int units, int rows, int values) =>
        Assert.Equal(
            $"payload of {units} units × {rows} rows holds {values} values",
            Assert.Throws<ArgumentException>(() => new Payload(units, rows, new double[values])).Message
        );
}
